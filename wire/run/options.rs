//! What can be chosen on the command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;

/// Stands between a browser and a lesson, and shows every byte that passes.
///
/// Start a lesson (`cargo run --bin lesson-4`), then `cargo run --bin wire`, and
/// browse the lesson at the address that wire prints.
#[derive(Debug, Parser)]
pub struct Options {
    /// Where the lesson is: a port, or an address as http://127.0.0.1:8000
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", value_parser = server)]
    pub server: String,

    /// Where to browse it instead: a port of this machine, or an address as 0.0.0.0:9000
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000", value_parser = address)]
    pub listen: SocketAddr,

    /// Where to watch: a port of this machine, or an address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9001", value_parser = address)]
    pub page: SocketAddr,

    /// Print the conversation here, in the notation of the transcripts, and serve no page
    #[arg(long, conflicts_with = "page")]
    pub text: bool,

    /// Record what passes in a new file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,

    /// Show a recording, and forward nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "listen", "save"])]
    pub open: Option<PathBuf>,
}

/// A port stands for this machine alone: who wants others to come in says so.
fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let text = text.replace("localhost", "127.0.0.1");
    text.parse().map_err(|_| {
        "it must be a port, such as 9000, or an address with a port, such as 127.0.0.1:9000"
            .to_string()
    })
}

/// A host and a port, whatever of a URL stands around them.
fn server(text: &str) -> Result<String, String> {
    if text.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{text}"));
    }
    if text.starts_with("https://") {
        return Err("wire cannot read what is encrypted: give it an http:// address".to_string());
    }
    let address = text.strip_prefix("http://").unwrap_or(text);
    let address = address.split('/').next().unwrap_or_default();
    let port = address
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(_)) => Ok(address.to_string()),
        _ => Err(
            "it must be a port, such as 8000, or an address with a port, such as 127.0.0.1:8000"
                .to_string(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &str) -> Result<Options, String> {
        let words = arguments.split_whitespace();
        let parsed = Options::try_parse_from(["wire"].into_iter().chain(words));
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_everything_is_on_this_machine() {
        let options = options("").unwrap();
        assert_eq!(options.server, "127.0.0.1:8000");
        assert!(options.listen.ip().is_loopback() && options.page.ip().is_loopback());
    }

    #[test]
    fn addresses_may_be_written_in_several_ways() {
        for (text, expected) in [
            ("8001", "127.0.0.1:8001"),
            ("localhost:8001", "localhost:8001"),
            ("http://127.0.0.1:8001/chat/", "127.0.0.1:8001"),
        ] {
            let options = options(&format!("--server {text}")).unwrap();
            assert_eq!(options.server, expected);
        }
        for (text, expected) in [
            ("9", "127.0.0.1:9"),
            ("localhost:9", "127.0.0.1:9"),
            ("0.0.0.0:9", "0.0.0.0:9"),
            ("[::1]:9", "[::1]:9"),
        ] {
            let options = options(&format!("--listen {text}")).unwrap();
            assert_eq!(options.listen.to_string(), expected);
        }
    }

    #[test]
    fn what_makes_no_sense_is_said_to() {
        for (arguments, words) in [
            ("--server here", "it must be a port"),
            ("--server https://127.0.0.1:8000", "encrypted"),
            ("--listen 99999", "it must be a port"),
            ("--open a --save b", "cannot be used with"),
            ("--open a --server 1", "cannot be used with"),
            ("--text --page 1", "cannot be used with"),
        ] {
            let error = options(arguments).unwrap_err();
            assert!(error.contains(words), "{arguments}: {error}");
        }
    }
}
