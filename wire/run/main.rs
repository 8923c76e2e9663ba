//! `wire`: a window between a browser and a lesson.

mod options;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process;
use std::sync::Arc;

use clap::Parser;
use options::Options;
use tokio::net::TcpListener;
use wire::forwarding::{Heard, forward};
use wire::journal::Journal;
use wire::printing::{Replay, print};
use wire::recording::Chunk;
use wire::saving::Saving;
use wire::viewers::{About, app};

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let outcome = match &options.open {
        Some(file) => open(file, &options).await,
        None => watch(&options).await,
    };
    if let Err(problem) = outcome {
        eprintln!("{problem}");
        process::exit(1);
    }
}

/// Forwards, and shows what passes.
async fn watch(options: &Options) -> Result<(), String> {
    let listener = bind(options.listen, "--listen 9100").await?;
    let listen = address(&listener);
    let saving = options.save.as_deref().map(begin).transpose()?;
    let journal = Arc::new(Journal::default());
    let hear = {
        let journal = journal.clone();
        move |connection, heard: Heard| {
            if let Some(saving) = &saving {
                saving.hear(connection, journal.now(), heard);
            }
            journal.hear(connection, heard);
        }
    };
    let server = options.server.clone();
    let browse =
        format!("Start a lesson at http://{server}, and browse it at http://{listen} instead.");
    if options.text {
        // What is printed here is the conversation alone, fit for a file.
        eprintln!("{browse}");
        let news = journal.subscribe().news;
        tokio::spawn(forward(listener, server, hear));
        return printed(print(news, &mut io::stdout()).await);
    }
    let page = bind(options.page, "--page 9101").await?;
    println!("{browse}");
    println!("Watch what passes at http://{}", address(&page));
    let about = About {
        listen: Some(listen.to_string()),
        server: Some(server.clone()),
        file: None,
    };
    tokio::spawn(forward(listener, server, hear));
    serve(page, journal, about).await
}

/// Shows a recording.
async fn open(file: &Path, options: &Options) -> Result<(), String> {
    let chunks = chunks(file)?;
    if options.text {
        return print_again(chunks);
    }
    let journal = Arc::new(Journal::default());
    for chunk in chunks {
        journal.hear_again(&chunk?);
    }
    let page = bind(options.page, "--page 9101").await?;
    let file = file.display().to_string();
    println!("Watch the recording {file} at http://{}", address(&page));
    let about = About {
        listen: None,
        server: None,
        file: Some(file),
    };
    serve(page, journal, about).await
}

/// Prints a recording.
fn print_again(chunks: impl Iterator<Item = Result<Chunk, String>>) -> Result<(), String> {
    let mut replay = Replay::default();
    for chunk in chunks {
        let lines = replay.lines(&chunk?);
        if let Err(error) = io::stdout().write_all(lines.as_bytes()) {
            return printed(Err(error));
        }
    }
    Ok(())
}

/// The lines of a recording, which may be longer than memory.
fn chunks(path: &Path) -> Result<impl Iterator<Item = Result<Chunk, String>>, String> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| format!("{name} cannot be read: {error}."))?;
    let lines = BufReader::new(file).lines().enumerate();
    Ok(lines.map(move |(index, line)| {
        let line = line.map_err(|error| error.to_string());
        let chunk = line.and_then(|line| Chunk::parse(&line));
        chunk.map_err(|reason| {
            let number = index + 1;
            format!("{name}, line {number} is not from a recording of wire: {reason}.")
        })
    }))
}

fn begin(path: &Path) -> Result<Saving, String> {
    Saving::begin(path).map_err(|error| {
        let name = path.display();
        format!("{name} cannot be a new recording: {error}. Give --save another name.")
    })
}

async fn bind(address: SocketAddr, instead: &str) -> Result<TcpListener, String> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        format!(
            "wire cannot listen at {address}: {error}. \
             Choose another port: cargo run --bin wire -- {instead}"
        )
    })
}

/// Where people of this machine find it.
fn address(listener: &TcpListener) -> SocketAddr {
    let address = listener.local_addr();
    let mut address = address.expect("a bound listener has an address");
    // Whoever listens at every address is at this one too, and it can be typed.
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

async fn serve(page: TcpListener, journal: Arc<Journal>, about: About) -> Result<(), String> {
    let served = axum::serve(page, app(journal, about)).await;
    served.map_err(|error| format!("the page cannot be served any more: {error}."))
}

fn printed(outcome: io::Result<()>) -> Result<(), String> {
    match outcome {
        // Whoever read along has gone, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("nothing can be printed any more: {error}.")),
    }
}
