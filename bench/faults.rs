//! `cargo bench --bench faults`: a thousand clients, of which a hundred take nothing.
//!
//! To a server, a client that has vanished without a FIN is one that takes
//! nothing: the bytes for it stay where they are. What is looked at: that every
//! healthy client gets every message, that those who take nothing are given up,
//! and that the server's memory and descriptors are back afterwards.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::crowd::{Crowd, silent};
use bench::server::{self, Server, Subject, keep_apart};
use bench::usage::{descriptors, memory};
use clap::Parser;
use futures_util::future::try_join_all;
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::sleep;

/// Lets clients of a finished chat take nothing, and looks at the others.
#[derive(Parser)]
struct Arguments {
    /// Which solution.
    #[arg(long, default_value_t = 7)]
    solution: u32,

    /// How many clients take what they get.
    #[arg(long, default_value_t = 900)]
    healthy: usize,

    /// How many take nothing.
    #[arg(long, default_value_t = 100)]
    silent: usize,

    /// After how long the server gives one up that takes nothing, in milliseconds.
    #[arg(long, default_value_t = 2000)]
    stall_ms: u64,

    /// How many crowds come, one after the other: what stays of each would add up.
    #[arg(long, default_value_t = 2)]
    rounds: usize,

    /// What cargo bench passes on.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How long each text is, in bytes: long enough to fill what the kernel keeps for a client.
const TEXT: usize = 4000;

/// How many messages are on their way at the same time: fewer than a room keeps.
const WINDOW: usize = 16;

/// How long those who take nothing may be kept.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The server did not hold: {error}.");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    server::build(&[arguments.solution])?;
    keep_apart();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let subject = Subject::Solution(arguments.solution);
    let stall = arguments.stall_ms.to_string();
    let server = Server::start(&subject, &[("STALL_MS", &stall)])?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    for round in 1..=arguments.rounds {
        println!("round {round} of {}", arguments.rounds);
        LocalSet::new().block_on(&runtime, hold(&server, &subject, arguments))?;
    }
    Ok(())
}

async fn hold(server: &Server, subject: &Subject, arguments: &Arguments) -> io::Result<()> {
    let look = |when: &str| {
        let megabytes = memory(server.pid()).map(|bytes| bytes as f64 / 1e6);
        let megabytes = megabytes.map_or("-".to_string(), |megabytes| format!("{megabytes:.1}"));
        let open = descriptors(server.pid()).map_or("-".to_string(), |open| open.to_string());
        println!("{when:44} {megabytes:>8} MB {open:>6} descriptors");
    };
    look("before anybody came");
    let takes_nothing = (0..arguments.silent).map(|_| silent(&server.address, subject.path()));
    let takes_nothing = try_join_all(takes_nothing).await?;
    let mut crowd = Crowd::connect(&server.address, subject.path(), arguments.healthy).await?;
    look(&format!(
        "{} take what they get, {} nothing",
        arguments.healthy, arguments.silent
    ));

    crowd.speak_at_length(TEXT);
    let begin = Instant::now();
    let mut deliveries = 0;
    while crowd.online() > arguments.healthy {
        if begin.elapsed() > PATIENCE {
            let online = crowd.online();
            return Err(io::Error::other(format!(
                "{online} are still online after {} s",
                PATIENCE.as_secs()
            )));
        }
        deliveries += crowd
            .speak(WINDOW, Duration::from_secs(1))
            .await?
            .deliveries;
        look(&format!("{} online", crowd.online()));
    }
    println!(
        "{deliveries} messages of {TEXT} bytes were delivered in {:.1} s, none was lost for a healthy client",
        begin.elapsed().as_secs_f64()
    );
    // The Close waits for its reader a while; then the connection is freed.
    sleep(Duration::from_secs(6)).await;
    look("those who take nothing are given up");

    drop(crowd);
    drop(takes_nothing);
    sleep(Duration::from_secs(2)).await;
    look("everybody has left");
    Ok(())
}
