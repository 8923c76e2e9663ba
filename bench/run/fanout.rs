//! `cargo bench --bench fanout`: one speaks flat out, a thousand listen.
//!
//! The finished chats run beside two references, in turns, so that whatever
//! else the machine does concerns them all. Only ratios of one run tell much.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use bench::bare::{self, Bare};
use bench::crowd::Crowd;
use bench::measured::{Measured, Measurement};
use bench::server::{self, Server, Subject, keep_apart};
use bench::steps::{self, Step};
use bench::{plain, usage};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Measures what the finished chats can carry.
#[derive(Parser)]
struct Arguments {
    /// Which solutions to measure.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 5, 7, 8])]
    solutions: Vec<u32>,

    /// Measures the way from the plain loop to lesson 7 as well, step by step.
    #[arg(long)]
    steps: bool,

    /// How many clients listen.
    #[arg(long, default_value_t = 1000)]
    clients: usize,

    /// How many messages are on their way at the same time.
    #[arg(long, default_value_t = 16)]
    window: usize,

    /// How long one speaks in each run.
    #[arg(long, default_value_t = 3)]
    seconds: u64,

    /// How many times each server is measured.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,

    /// Keeps every run in this file of the folder bench, as JSON.
    #[arg(long, requires = "machine")]
    save: Option<PathBuf>,

    /// The machine, in words, for the file.
    #[arg(long)]
    machine: Option<String>,

    /// Serves one of the references instead.
    #[arg(long, hide = true)]
    serve: Option<String>,

    /// What cargo bench passes on.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.serve {
        Some(name) => serve(name),
        None => measure_all(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The measurement ended early: {error}.");
            ExitCode::FAILURE
        }
    }
}

fn serve(name: &str) -> io::Result<()> {
    Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            println!("Serving at http://{}", listener.local_addr()?);
            match Subject::named(name) {
                Some(Subject::Bare(bare)) => bare::serve(listener, bare).await,
                Some(Subject::Step(step)) => steps::serve(listener, step).await,
                _ => plain::serve(listener).await,
            }
            Ok(())
        })
}

fn measure_all(arguments: &Arguments) -> io::Result<()> {
    server::build(&arguments.solutions)?;
    if !keep_apart() {
        println!("Server and crowd share their cores: without taskset the figures vary more.");
    }
    rlimit::increase_nofile_limit(u64::MAX)?;
    let solutions = arguments.solutions.iter().copied();
    let mut subjects = Vec::from(Bare::ALL.map(Subject::Bare));
    subjects.push(Subject::Plain);
    if arguments.steps {
        subjects.extend(Step::ALL.map(Subject::Step));
    }
    subjects.extend(solutions.map(Subject::Solution));
    let mut measurement = Measurement {
        machine: arguments.machine.clone().unwrap_or_default(),
        clients: arguments.clients,
        window: arguments.window,
        seconds: arguments.seconds,
        runs: Vec::new(),
    };
    for repetition in 1..=arguments.repetitions {
        for subject in &subjects {
            let name = subject.name();
            println!("run {repetition} of {}: {name}", arguments.repetitions);
            let measured = measure(subject, arguments)?;
            measurement.runs.push(measured);
        }
    }
    print!("{}", table(&measurement, &subjects));
    if let Some(file) = &arguments.save {
        let json = serde_json::to_string_pretty(&measurement)?;
        let bench = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let file = bench.expect("run/ is in bench/").join(file);
        fs::write(&file, json + "\n")?;
        println!("Every run is in {}.", file.display());
    }
    Ok(())
}

/// Measures one server, in a fresh process.
fn measure(subject: &Subject, arguments: &Arguments) -> io::Result<Measured> {
    let server = Server::start(subject, &[])?;
    let pid = server.pid();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let memory_before = usage::memory(pid);
        let mut crowd = Crowd::connect(&server.address, subject.path(), arguments.clients).await?;
        let memory = usage::memory(pid);

        let pids = [pid, std::process::id()];
        let cpu_before = pids.map(usage::cpu_time);
        let time = Duration::from_secs(arguments.seconds);
        let heard = crowd.speak(arguments.window, time).await?;
        let cpu = pids.map(usage::cpu_time);

        let deliveries = heard.deliveries as f64;
        let per_delivery = |before: Option<Duration>, after: Option<Duration>| {
            Some((after? - before?).as_secs_f64() * 1e6 / deliveries)
        };
        let percentile = |percent: usize| {
            let place = heard.delays.len() * percent / 100;
            f64::from(heard.delays.get(place).copied().unwrap_or_default()) / 1000.0
        };
        Ok(Measured {
            subject: subject.name(),
            deliveries_per_second: deliveries / heard.time.as_secs_f64(),
            p50_ms: percentile(50),
            p99_ms: percentile(99),
            cpu_us: per_delivery(cpu_before[0], cpu[0]),
            crowd_cpu_us: per_delivery(cpu_before[1], cpu[1]),
            opened_per_second: arguments.clients as f64 / crowd.opened_in.as_secs_f64(),
            bytes_per_connection: memory_before.zip(memory).map(|(before, after)| {
                after.saturating_sub(before) as f64 / arguments.clients as f64
            }),
        })
    })
}

/// The medians, a line for each server.
fn table(measurement: &Measurement, subjects: &[Subject]) -> String {
    let mut table = format!(
        "\n{} clients, {} messages of 100 bytes on their way, {} s a run; medians\n\n\
         {:12} {:>12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>12} {:>9} {:>8}\n",
        measurement.clients,
        measurement.window,
        measurement.seconds,
        "",
        "deliveries/s",
        "x writer",
        "x tasks",
        "x plain",
        "p50 ms",
        "p99 ms",
        "CPU us",
        "crowd us",
        "bytes/idle",
        "opened/s",
        "core, %"
    );
    for subject in subjects {
        let name = subject.name();
        let cell = |value: Option<f64>, decimals: usize| match value {
            Some(value) => format!("{value:.decimals$}"),
            None => "-".to_string(),
        };
        let median = |of: fn(&Measured) -> Option<f64>| measurement.median(&name, of);
        table.push_str(&format!(
            "{name:12} {:>12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10} {:>10} {:>12} {:>9} {:>8}\n",
            cell(median(|run| Some(run.deliveries_per_second)), 0),
            cell(measurement.ratio(&name, Bare::Writer.name()), 2),
            cell(measurement.ratio(&name, Bare::Tasks.name()), 2),
            cell(measurement.ratio(&name, "plain"), 2),
            cell(median(|run| Some(run.p50_ms)), 1),
            cell(median(|run| Some(run.p99_ms)), 1),
            cell(median(|run| run.cpu_us), 2),
            cell(median(|run| run.crowd_cpu_us), 2),
            cell(median(|run| run.bytes_per_connection), 0),
            cell(median(|run| Some(run.opened_per_second)), 0),
            cell(median(Measured::core_percent), 0),
        ));
    }
    table.push_str(
        "\nA server that had much less than 100 % of its core waited for others: \
         the machine has other work, and the figures are not worth keeping.\n",
    );
    table
}
