//! A network of its own for a benchmark, in which a client can vanish without a FIN.
//!
//! Linux gives one to whoever asks, root or not: `unshare` starts a program in it,
//! and there `ip` may decide which packets go where. The machine's network is
//! left alone, and when the program ends, its network is gone.

use std::env;
use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, ExitStatus};

/// How `unshare` gives a program a network of its own.
const OF_ITS_OWN: [&str; 3] = ["--user", "--map-root-user", "--net"];

/// Starts this program once more, with the same arguments and one more, in a
/// network of its own, and waits for its end.
///
/// # Errors
/// When the system gives it no such network.
pub fn start_again_inside(one_more: &str) -> io::Result<ExitStatus> {
    let [user, root, net] = OF_ITS_OWN;
    run("unshare", &[user, root, net, "true"], "util-linux")?;
    Command::new("unshare")
        .args(OF_ITS_OWN)
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .arg(one_more)
        .status()
}

/// Makes this program's own network ready: it has loopback, and a place where a
/// rule of [`vanish`] comes before all others.
///
/// # Errors
/// When `ip` is missing, or may not do that.
pub fn prepare() -> io::Result<()> {
    ip("link set lo up")?;
    // The rule for local addresses is the first one, and would carry all of loopback.
    ip("rule add pref 1 lookup local")?;
    ip("rule del pref 0")
}

/// From now on no packet from this address arrives anywhere: no data, no ACK, no
/// FIN and no RST. What is sent to it still leaves, as on a cable that is cut further on.
///
/// # Errors
/// When `ip` may not do that.
pub fn vanish(address: Ipv4Addr) -> io::Result<()> {
    ip(&format!("rule add pref 0 from {address} blackhole"))
}

fn ip(words: &str) -> io::Result<()> {
    let words: Vec<&str> = words.split(' ').collect();
    run("ip", &words, "iproute2")
}

/// Runs a program of that Debian package, and says in one sentence why it could not.
fn run(program: &str, arguments: &[&str], package: &str) -> io::Result<()> {
    let command = format!("{program} {}", arguments.join(" "));
    let output = match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(io::Error::other(format!(
                "clients vanish with the help of `{program}`, which is not here: \
                 install the package {package} (that is its name in Debian)"
            )));
        }
        Err(error) => {
            return Err(io::Error::other(format!(
                "`{command}` does not start: {error}"
            )));
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "clients vanish in a network of their own, and this system does not allow `{command}` ({})",
        reason.trim()
    )))
}
