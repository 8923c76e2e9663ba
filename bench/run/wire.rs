//! `cargo bench --bench wire`: how much slower a lesson is behind wire.
//!
//! The same server is asked directly, through wire, and through wire while
//! somebody watches the page, in turns. Only ratios of one run tell much.

use std::env;
use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::Message as Frame;
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Router, response::Response};
use bench::server::cargo_build;
use clap::Parser;
use futures_util::{SinkExt, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How many bytes the download has.
const SIZE: usize = 100 * 1024 * 1024;

/// What the server writes at a time.
const PIECE: usize = 64 * 1024;

/// A message of the chat, as long as they are.
const TEXT: &str = r#"{"sender":"Ann","message":"Hello, Ben!"}"#;

/// Measures how much slower a lesson is behind wire.
#[derive(Parser)]
struct Arguments {
    /// How many texts are sent and come back, one after the other, in each run.
    #[arg(long, default_value_t = 2000)]
    echoes: usize,

    /// How many times each way is measured.
    #[arg(long, default_value_t = 7)]
    repetitions: usize,

    /// Serves what is measured instead.
    #[arg(long, hide = true)]
    serve: bool,

    /// What cargo bench passes on.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.and_then(|runtime| {
        runtime.block_on(async {
            match arguments.serve {
                true => serve().await,
                false => measure_all(&arguments).await,
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The measurement ended early: {error}.");
            ExitCode::FAILURE
        }
    }
}

/// A server with an echo and a download.
async fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("Serving at http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let app = Router::new()
        .route("/echo", get(echo))
        .route("/download", get(download));
    axum::serve(listener, app).await
}

async fn echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(frame)) = socket.recv().await {
            if let Frame::Text(_) = frame
                && socket.send(frame).await.is_err()
            {
                return;
            }
        }
    })
}

async fn download() -> Body {
    static PIECE_OF_IT: [u8; PIECE] = [b'x'; PIECE];
    let piece = || io::Result::Ok(Bytes::from_static(&PIECE_OF_IT));
    Body::from_stream(stream::iter((0..SIZE / PIECE).map(move |_| piece())))
}

/// A program that runs until it is dropped.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    fn start(program: &str, arguments: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        Ok(Self {
            child,
            stdout: BufReader::new(stdout),
        })
    }

    /// The last address of its next line.
    fn address(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        let (_, rest) = line
            .rsplit_once("http://")
            .ok_or_else(|| io::Error::other(format!("there is no address in {line:?}")))?;
        let address = rest.split_whitespace().next().unwrap_or_default();
        Ok(address.to_string())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A way to the server, and what was measured on it.
struct Way {
    name: &'static str,
    address: String,
    /// The medians and the 99th percentiles of the echoes, a pair for each run.
    echoes: Vec<(Duration, Duration)>,
    /// How long the downloads took.
    downloads: Vec<Duration>,
}

impl Way {
    fn new(name: &'static str, address: &str) -> Self {
        Self {
            name,
            address: address.to_string(),
            echoes: Vec::new(),
            downloads: Vec::new(),
        }
    }
}

async fn measure_all(arguments: &Arguments) -> io::Result<()> {
    // As `cargo run --bin wire` builds it.
    cargo_build(&["--bin".to_string(), "wire".to_string()])?;
    let this = env::current_exe()?;
    let mut server = Running::start(&this.display().to_string(), &["--serve"])?;
    let server_address = server.address()?;
    // Benchmarks are in target/release/deps, what is run unoptimised in target/debug.
    let target = this.ancestors().nth(3).expect("a program has a folder");
    let wire = target.join("debug/wire").display().to_string();
    let options = ["--server", &server_address, "--listen", "0", "--page", "0"];
    let [mut alone, mut watched] = [
        Running::start(&wire, &options)?,
        Running::start(&wire, &options)?,
    ];
    let mut ways = [
        Way::new("direct", &server_address),
        Way::new("through wire", &alone.address()?),
        Way::new("through wire, watched", &watched.address()?),
    ];
    let page = watched.address()?;
    tokio::spawn(watch(page));
    for repetition in 1..=arguments.repetitions {
        for way in &mut ways {
            println!(
                "run {repetition} of {}: {}",
                arguments.repetitions, way.name
            );
            way.echoes
                .push(echoes(&way.address, arguments.echoes).await?);
            way.downloads.push(time_of_download(&way.address).await?);
        }
    }
    print!("{}", table(&ways));
    Ok(())
}

/// Takes all that the page of wire is told.
async fn watch(page: String) -> io::Result<()> {
    let mut socket = connect(&page, "/ws").await?;
    while let Some(Ok(_)) = socket.next().await {}
    Ok(())
}

async fn connect(address: &str, path: &str) -> io::Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let upgrade = client_async(format!("ws://{address}{path}"), stream).await;
    let (socket, _) = upgrade.map_err(io::Error::other)?;
    Ok(socket)
}

/// The median and the 99th percentile of texts that come back one after the other.
async fn echoes(address: &str, count: usize) -> io::Result<(Duration, Duration)> {
    let mut socket = connect(address, "/echo").await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let text = Message::text(TEXT);
        socket.send(text).await.map_err(io::Error::other)?;
        let back = socket.next().await;
        if !matches!(&back, Some(Ok(Message::Text(text))) if text.as_str() == TEXT) {
            return Err(io::Error::other(format!("{back:?} came back")));
        }
        times.push(begun.elapsed());
    }
    times.sort();
    Ok((times[count / 2], times[count * 99 / 100]))
}

async fn time_of_download(address: &str) -> io::Result<Duration> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /download HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let begun = Instant::now();
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        match stream.read(&mut buffer).await? {
            0 if size >= SIZE => return Ok(begun.elapsed()),
            0 => return Err(io::Error::other(format!("only {size} bytes came"))),
            length => size += length,
        }
    }
}

fn table(ways: &[Way]) -> String {
    let mut table = format!(
        "\n{:24}{:>14}{:>14}{:>14}{:>14}{:>12}\n",
        "", "echo p50, ms", "added, ms", "echo p99, ms", "100 MiB, MB/s", "of direct"
    );
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    let [direct_echo, direct_download] = [
        median(ways[0].echoes.iter().map(|(p50, _)| milliseconds(*p50))),
        median(ways[0].downloads.iter().map(Duration::as_secs_f64)),
    ];
    for way in ways {
        let echo = median(way.echoes.iter().map(|(p50, _)| milliseconds(*p50)));
        let slowest = median(way.echoes.iter().map(|(_, p99)| milliseconds(*p99)));
        let download = median(way.downloads.iter().map(Duration::as_secs_f64));
        table += &format!(
            "{:24}{echo:>14.3}{:>14.3}{slowest:>14.3}{:>14.0}{:>12.2}\n",
            way.name,
            echo - direct_echo,
            SIZE as f64 / 1e6 / download,
            direct_download / download,
        );
    }
    table + "\nMedians of the runs. The goals: added less than 0.2 ms, of direct more than 0.5.\n"
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
