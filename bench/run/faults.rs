//! `cargo bench --bench faults`: a thousand clients, of which a hundred take
//! nothing; with `--fault vanish`, a hundred that vanish without a FIN; and with
//! `--fault rooms`, ten thousand rooms at the same time.
//!
//! What is looked at: that every healthy client gets every message, once and in
//! its turn, that those who take nothing are given up, and that rooms, memory and
//! descriptors are back afterwards.

use std::cell::Cell;
use std::io;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::crowd::{Crowd, silent, taker, visitor};
use bench::network;
use bench::server::{self, Server, Subject, keep_apart};
use bench::usage::{descriptors, memory};
use clap::{Parser, ValueEnum};
use futures_util::future::try_join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

/// Lets some clients of a finished chat behave badly, and looks at the others.
#[derive(Parser)]
struct Arguments {
    /// What they do.
    #[arg(long, value_enum, default_value_t = Fault::Silent)]
    fault: Fault,

    /// Which solution. [default: 7, and 8 for rooms]
    #[arg(long)]
    solution: Option<u32>,

    /// How many rooms are open at the same time.
    #[arg(long, default_value_t = 10_000)]
    rooms: usize,

    /// How many clients take what they get.
    #[arg(long, default_value_t = 900)]
    healthy: usize,

    /// How many take nothing, or vanish.
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

    /// This program has started itself again, in a network of its own.
    #[arg(long, hide = true)]
    in_own_network: bool,
}

/// See [`Arguments::in_own_network`].
const IN_OWN_NETWORK: &str = "--in-own-network";

#[derive(Clone, Copy, ValueEnum)]
enum Fault {
    /// Some take nothing of what they get.
    Silent,
    /// Some vanish without a FIN, as when a cable is cut. This needs Linux, and its
    /// programs unshare and ip.
    Vanish,
    /// Each of very many opens a room of its own, and all leave at once.
    Rooms,
}

/// How long each text is, in bytes: long enough to fill what the kernel keeps for a client.
const TEXT: usize = 4000;

/// How many messages are on their way at the same time: fewer than a room keeps.
const WINDOW: usize = 16;

/// How long those who take nothing may be kept.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match get_ready(&arguments) {
        Ok(Next::Run) => {}
        Ok(Next::Done(code)) => return code,
        Err(error) => {
            eprintln!("Nothing was looked at: {error}.");
            return ExitCode::FAILURE;
        }
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("The server did not hold: {error}.");
            ExitCode::FAILURE
        }
    }
}

/// What there is to do after [`get_ready`].
enum Next {
    Run,
    /// All was done by this program in a network of its own, and ended so.
    Done(ExitCode),
}

/// Only in a network of its own may a program that is not root decide which
/// packets arrive, so for those who vanish this program starts itself again.
fn get_ready(arguments: &Arguments) -> io::Result<Next> {
    if arguments.in_own_network {
        network::prepare()?;
        return Ok(Next::Run);
    }
    server::build(&[arguments.solution()])?;
    let Fault::Vanish = arguments.fault else {
        return Ok(Next::Run);
    };
    let status = network::start_again_inside(IN_OWN_NETWORK)?;
    match status.code() {
        Some(0) => Ok(Next::Done(ExitCode::SUCCESS)),
        // What was wrong is said already.
        Some(_) => Ok(Next::Done(ExitCode::FAILURE)),
        None => Err(io::Error::other("it was ended from outside")),
    }
}

impl Arguments {
    fn solution(&self) -> u32 {
        let usual = match self.fault {
            Fault::Silent | Fault::Vanish => 7,
            Fault::Rooms => 8,
        };
        self.solution.unwrap_or(usual)
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    keep_apart();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let subject = Subject::Solution(arguments.solution());
    let stall = arguments.stall_ms.to_string();
    let server = Server::start(&subject, &[("STALL_MS", &stall)])?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut first_peak = None;
    for round in 1..=arguments.rounds {
        println!("round {round} of {}", arguments.rounds);
        let tasks = LocalSet::new();
        let watch = Watch::new(&server);
        match arguments.fault {
            Fault::Silent => tasks.block_on(&runtime, hold(&watch, &subject, arguments))?,
            Fault::Vanish => {
                let vanishing = vanish(&watch, &subject, arguments, round);
                tasks.block_on(&runtime, vanishing)?;
            }
            Fault::Rooms => tasks.block_on(&runtime, hold_rooms(&watch, &subject, arguments))?,
        }
        // What was freed is kept by the allocator for the next time, so it is the
        // next round that shows whether it was.
        let peak = watch.peak.get();
        let first = *first_peak.get_or_insert(peak);
        if peak > first + first / 10 {
            return Err(io::Error::other(format!(
                "it took {first} bytes in the first round and {peak} in round {round}: something is not freed"
            )));
        }
    }
    Ok(())
}

/// Looks at a server's process, and remembers the most memory that it has had.
struct Watch<'a> {
    server: &'a Server,
    peak: Cell<u64>,
    descriptors: Option<usize>,
}

impl<'a> Watch<'a> {
    fn new(server: &'a Server) -> Self {
        let watch = Self {
            server,
            peak: Cell::new(0),
            descriptors: descriptors(server.pid()),
        };
        watch.look("before anybody came");
        watch
    }

    fn look(&self, when: &str) {
        let bytes = memory(self.server.pid());
        self.peak
            .set(self.peak.get().max(bytes.unwrap_or_default()));
        let megabytes = bytes.map_or("-".to_string(), |bytes| {
            format!("{:.1}", bytes as f64 / 1e6)
        });
        let open = descriptors(self.server.pid()).map_or("-".to_string(), |open| open.to_string());
        println!("{when:44} {megabytes:>8} MB {open:>6} descriptors");
    }

    /// The last look, when all connections are closed.
    async fn look_at_the_end(&self) -> io::Result<()> {
        self.open_become(0).await?;
        self.look("everybody has left");
        Ok(())
    }

    /// Waits until no more connections than these are open.
    async fn open_become(&self, connections: usize) -> io::Result<()> {
        let most = self.descriptors.map(|before| before + connections);
        let begin = Instant::now();
        while descriptors(self.server.pid()) > most {
            if begin.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                let more =
                    format!("more than {connections} connections are open after {seconds} s");
                return Err(io::Error::other(more));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

async fn hold(watch: &Watch<'_>, subject: &Subject, arguments: &Arguments) -> io::Result<()> {
    let address = &watch.server.address;
    let takes_nothing = (0..arguments.silent).map(|_| silent(address, subject.path()));
    let takes_nothing = try_join_all(takes_nothing).await?;
    let mut crowd = Crowd::connect(address, subject.path(), arguments.healthy).await?;
    watch.look(&format!(
        "{} take what they get, {} nothing",
        arguments.healthy, arguments.silent
    ));

    crowd.speak_at_length(TEXT);
    outlast(watch, &mut crowd, arguments.healthy).await?;
    watch.look("those who take nothing are given up");

    drop(crowd);
    drop(takes_nothing);
    watch.look_at_the_end().await
}

/// Speaks until only the healthy ones are online, and the connections of the others are freed.
async fn outlast(watch: &Watch<'_>, crowd: &mut Crowd, healthy: usize) -> io::Result<()> {
    let begin = Instant::now();
    let mut deliveries = 0;
    while crowd.online() > healthy {
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
        watch.look(&format!("{} online", crowd.online()));
    }
    println!(
        "{deliveries} messages of {TEXT} bytes were delivered in {:.1} s, none was lost for a healthy client",
        begin.elapsed().as_secs_f64()
    );
    // The Close waits for its reader a while; then the connection is freed.
    watch.open_become(healthy).await
}

/// Those who will vanish take all that they get, until nothing of them arrives any more.
async fn vanish(
    watch: &Watch<'_>,
    subject: &Subject,
    arguments: &Arguments,
    round: usize,
) -> io::Result<()> {
    let address = &watch.server.address;
    let from = address_of_round(round);
    let takers = (0..arguments.silent).map(|_| taker(from, address, subject.path()));
    try_join_all(takers).await?;
    let mut crowd = Crowd::connect(address, subject.path(), arguments.healthy).await?;
    crowd.speak_at_length(TEXT);
    crowd.speak(WINDOW, Duration::from_secs(1)).await?;
    let all = arguments.healthy + arguments.silent;
    check_online(&crowd, all)?;
    watch.look(&format!("{all} take what they get"));

    network::vanish(from)?;
    let vanished = Instant::now();
    // Had a FIN or an RST arrived, the server would know at once, and not after the stall time.
    let stall = Duration::from_millis(arguments.stall_ms);
    let meanwhile = Duration::from_secs(1).min(stall / 2);
    crowd.speak(WINDOW, meanwhile).await?;
    if vanished.elapsed() < stall {
        check_online(&crowd, all)?;
    }
    watch.look(&format!("{} have vanished", arguments.silent));

    outlast(watch, &mut crowd, arguments.healthy).await?;
    check_online(&crowd, arguments.healthy)?;
    watch.look("the vanished are given up");

    drop(crowd);
    watch.look_at_the_end().await
}

/// Whoever vanishes does so with its address, so each round has another one:
/// 127.0.0.2, and so on.
fn address_of_round(round: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + round as u32)
}

fn check_online(crowd: &Crowd, expected: usize) -> io::Result<()> {
    match crowd.online() {
        online if online == expected => Ok(()),
        online => Err(io::Error::other(format!(
            "{expected} should be online, and {online} are"
        ))),
    }
}

/// How many talk in a room of their own while all the others come and go.
const HEALTHY: usize = 10;

/// How many come at the same time.
const WAVE: usize = 100;

async fn hold_rooms(watch: &Watch<'_>, subject: &Subject, arguments: &Arguments) -> io::Result<()> {
    let address = &watch.server.address;
    let mut crowd = Crowd::connect(address, subject.path(), HEALTHY).await?;
    watch.look(&format!("{HEALTHY} talk"));

    let begin = Instant::now();
    let flood = spawn_local(flood(address.clone(), arguments.rooms));
    let mut deliveries = 0;
    while !flood.is_finished() {
        let moment = Duration::from_millis(100);
        deliveries += crowd.speak(WINDOW, moment).await?.deliveries;
    }
    let visitors = flood.await.map_err(io::Error::other)??;
    let open = open_rooms(address).await?;
    watch.look(&format!("{open} rooms are open"));
    if open <= arguments.rooms {
        let rooms = arguments.rooms + 1;
        return Err(io::Error::other(format!(
            "{rooms} rooms should be open, and {open} are"
        )));
    }

    drop(visitors);
    let left = Instant::now();
    while open_rooms(address).await? > 1 {
        if left.elapsed() > PATIENCE {
            let open = open_rooms(address).await?;
            return Err(io::Error::other(format!("{open} rooms are still open")));
        }
        let moment = Duration::from_millis(100);
        deliveries += crowd.speak(WINDOW, moment).await?.deliveries;
    }
    watch.look("the visitors have left");
    println!(
        "{deliveries} messages were delivered in {:.1} s, none was lost for those who talk",
        begin.elapsed().as_secs_f64()
    );
    drop(crowd);
    watch.look_at_the_end().await
}

/// Opens so many rooms, with one visitor in each.
async fn flood(address: String, rooms: usize) -> io::Result<Vec<TcpStream>> {
    let mut visitors = Vec::with_capacity(rooms);
    while visitors.len() < rooms {
        let next = visitors.len()..rooms.min(visitors.len() + WAVE);
        let paths: Vec<String> = next.map(|room| format!("/ws/chat/room-{room}")).collect();
        let wave = paths.iter().map(|path| visitor(&address, path));
        visitors.extend(try_join_all(wave).await?);
    }
    Ok(visitors)
}

/// How many rooms the server lists.
async fn open_rooms(address: &str) -> io::Result<usize> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /api/rooms HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.matches("\"room\":").count())
}
