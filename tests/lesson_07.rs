//! Lesson 7, slow readers: what is asked of a room in which some are slow.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::bare_reader::{BareReader, Burst};
use crate::conversation::{Conversation, Step, Stop, nothing_within, stop};
use crate::lesson::{Exercise, Lesson, Need, Number};
use crate::room::{
    ALICE, BOB, CATCHING_UP, ON_THEIR_WAY, Room, hears, is_presence, number_of, says,
};
use crate::socket::{Socket, json_of, name_of};
use crate::transcript::{readable, short};

/// The lesson and its exercises.
pub const LESSON: Lesson = Lesson {
    number: 7,
    name: "07-slow",
    title: "Slow readers",
    exercises: &[
        Exercise {
            number: Number(7, 1),
            needs: Need::Nothing,
            converse: |talk| Box::pin(somebody_asks_for_hard_work(talk)),
        },
        Exercise {
            number: Number(7, 2),
            needs: Need::Nothing,
            converse: |talk| Box::pin(somebody_falls_behind(talk)),
        },
        Exercise {
            number: Number(7, 3),
            needs: Need::Nothing,
            converse: |talk| Box::pin(somebody_takes_nothing(talk)),
        },
        Exercise {
            number: Number(7, 4),
            needs: Need::Nothing,
            converse: |talk| Box::pin(many_leave_together(talk)),
        },
    ],
};

/// Where everybody meets.
const CHAT: &str = "/chat/public";

/// On a machine with one core a program has one thread for all of its tasks.
const ONE_THREAD: (&str, &str) = ("TOKIO_WORKER_THREADS", "1");

/// How many ask for `/slow` at the same time.
const ASKING: usize = 2;

/// How many messages go round before the first of them is answered.
const ROUNDS: usize = 20;

/// How long an answer to `/slow` may take on a machine that has much to do.
const SLOW: Duration = Duration::from_secs(100);

async fn somebody_asks_for_hard_work(talk: Conversation) -> Step {
    let talk = talk.at_another_server(&[ONE_THREAD]).await?;
    let mut room = Room::with(&talk, CHAT, &["alice", "bob"]).await?;

    talk.step(&format!("{ASKING} others ask for /slow"));
    let mut asking = Vec::new();
    for _ in 0..ASKING {
        talk.transcript.sent("other", "GET /slow");
        asking.push(ask_for(&talk, "/slow").await?);
    }
    // Connections are taken up in their turn: once a later one is answered,
    // the work for these has begun. A busy machine may take its time for that.
    let page = ask_for(&talk, "/").await?;
    if timeout(SLOW, answer_of(page)).await.is_err() {
        return stop(format!("no answer to GET / within {} s", SLOW.as_secs()));
    }

    talk.step(&format!(
        "alice says {ROUNDS} things, one after the other, before the first of them is answered"
    ));
    let mut rounds = 0;
    let asking = asking.into_iter().map(|stream| Box::pin(answer_of(stream)));
    let answered = select_all(asking);
    let mut answered = pin!(answered);
    while rounds < ROUNDS {
        select! {
            biased;
            (answer, ..) = &mut answered => {
                let what = format!("{rounds} messages of {ROUNDS}, then the answer to /slow");
                talk.transcript.received("alice", what);
                is_a_hash(&talk, answer)?;
                return stop(answered_too_early(rounds));
            }
            round = go_round(&mut room, rounds) => round?,
        }
        rounds += 1;
    }
    for person in &room.people {
        let what = format!("{ROUNDS} messages");
        talk.transcript.received(&person.lane, what);
    }

    talk.step("then both are answered");
    let both = async {
        let (first, _, others) = answered.await;
        let mut answers = vec![first];
        for other in others {
            answers.push(other.await);
        }
        answers
    };
    match timeout(SLOW, both).await {
        Ok(answers) => answers
            .into_iter()
            .try_for_each(|answer| is_a_hash(&talk, answer)),
        Err(_) => stop(format!("no answer to /slow within {} s", SLOW.as_secs())),
    }
}

/// As few rounds as there are hashes: then one hash after the other kept the
/// thread. Otherwise somebody was in too much of a hurry.
fn answered_too_early(rounds: usize) -> String {
    let cause = if rounds <= ASKING {
        ": the hash kept the thread that serves the room"
    } else {
        ""
    };
    format!(
        "/slow was answered when only {rounds} of alice's {ROUNDS} messages had gone round{cause}"
    )
}

/// Asks by hand, so that the request is on its way before anything else is said;
/// in HTTP/1.0, whose answers end with their connection.
async fn ask_for(talk: &Conversation, path: &str) -> Step<TcpStream> {
    let address = &talk.server.address;
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        Ok::<_, std::io::Error>(stream)
    };
    asked
        .await
        .or_else(|error| stop(format!("{path} could not be asked for: {error}")))
}

/// Alice says something, and everybody hears it, however long that takes.
async fn go_round(room: &mut Room, number: usize) -> Step {
    let message = says("alice", &format!("Number {number}."));
    room.people[ALICE].send_quietly(&message).await?;
    let patience = Instant::now() + SLOW;
    for person in &mut room.people {
        while let Err(instead) = hears(person, &message).await {
            if instead != nothing_within() || Instant::now() > patience {
                return stop(format!(
                    "{} got {instead} instead of message {number}",
                    person.lane
                ));
            }
        }
    }
    Ok(())
}

/// The answer, when it comes: all bytes until the server ends the connection.
async fn answer_of(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What came before an error is all that there is.
    let _ = stream.read_to_end(&mut bytes).await;
    bytes
}

/// Writes an answer down, which is to be 200 and a hash.
fn is_a_hash(talk: &Conversation, answer: Vec<u8>) -> Step {
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.lines().next().and_then(|line| line.split_once(' '));
    let Some((_, status)) = status else {
        let instead = "the end of the connection without an answer";
        talk.transcript.received("other", instead);
        return stop(format!("/slow got {instead}"));
    };
    if status != "200 OK" {
        talk.transcript.received("other", status);
        return stop(format!("/slow was answered with {status}"));
    }
    if looks_like_a_hash(body.trim()) {
        talk.transcript.received("other", status);
        return Ok(());
    }
    let body = short(body.trim());
    talk.transcript
        .received("other", format!("{status}, and not the hash but {body}"));
    stop(format!(
        "/slow was answered with the text {body}, which is no hash"
    ))
}

/// One word of the letters in which hashes are written, with or without their
/// settings and their salt. No word of a language has a digit in it.
fn looks_like_a_hash(body: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "$,=+/._-".contains(letter);
    body.chars().all(fits) && body.contains(|letter: char| letter.is_ascii_digit())
}

/// More than a kernel keeps for somebody who does not read, and a room of some
/// hundred messages besides: somebody who reads nothing must miss some.
const FLOOD: usize = 2_000;

/// How long each of these messages is, in bytes.
const LONG: usize = 10_000;

/// Longer than any exercise: nobody is closed for being slow.
const NO_STALL: (&str, &str) = ("STALL_MS", "600000");

async fn somebody_falls_behind(talk: Conversation) -> Step {
    let talk = talk.at_another_server(&[NO_STALL]).await?;
    let mut room = Room::with(&talk, CHAT, &["alice", "bob"]).await?;
    talk.step("zoe joins and says so");
    room.join(talk.narrow_socket("zoe", CHAT, 4096).await?)
        .await?;
    let mut zoe = Slow::new(room.people.pop().expect("zoe is there"));

    let mut said = 0;
    for again in ["", " again"] {
        talk.step(&format!(
            "zoe reads no more, and alice says {FLOOD} long things{again}"
        ));
        room.say_at_length(&talk, ALICE, said + 1..=said + FLOOD, LONG)
            .await?;
        said += FLOOD;

        talk.step("zoe reads, while alice says short things until zoe hears one of them");
        said = zoe.catches_up(&talk, &mut room, said).await?;
        if zoe.missed == 0 {
            talk.transcript.received("zoe", "everything");
            return stop(format!(
                "zoe missed nothing of {FLOOD} messages of {LONG} bytes: they were kept for her, however many"
            ));
        }
        let what = r#"{"missed":N} in the place of what she missed, and what alice says now"#;
        talk.transcript.received("zoe", what);
        zoe.missed = 0;
    }
    Ok(())
}

/// Somebody who is told what it misses, and what it has heard so far.
struct Slow {
    socket: Socket,
    /// The number of the last message that it heard or knows to have missed.
    newest: usize,
    missed: usize,
}

impl Slow {
    fn new(socket: Socket) -> Self {
        Self {
            socket,
            newest: 0,
            missed: 0,
        }
    }

    /// Reads one message. It must be the next one, whose number it gives, or the
    /// news that some are missing.
    async fn hears_more(&mut self) -> Step<Option<usize>> {
        let newest = self.newest;
        let trouble = match self.socket.next().await {
            Err(instead) => instead,
            Ok(message) => {
                let said = json_of(&message).unwrap_or_default();
                match (number_of(&said), said["missed"].as_u64()) {
                    (Some(number), None) if number == newest + 1 => {
                        self.newest = number;
                        return Ok(Some(number));
                    }
                    (None, Some(missed @ 1..)) => {
                        self.newest += missed as usize;
                        self.missed += missed as usize;
                        return Ok(None);
                    }
                    (Some(number), None) => format!("message {number}"),
                    _ => name_of(&message),
                }
            }
        };
        stop(format!(
            "{} got {trouble}, where message {} or {{\"missed\":N}} with a number was due",
            self.socket.lane,
            newest + 1
        ))
    }

    /// Reads until it hears something that is being said now, after `said`
    /// messages; the number of the last one that is said meanwhile.
    async fn catches_up(
        &mut self,
        talk: &Conversation,
        room: &mut Room,
        said: usize,
    ) -> Step<usize> {
        let mut patience = Instant::now() + CATCHING_UP;
        for number in said + 1.. {
            room.say_numbers(talk, ALICE, &[number], 1).await?;
            let newest = self.newest;
            // What was waiting comes first, and a full queue may lose this message too.
            let reading = async {
                while self.hears_more().await? <= Some(said) {}
                Ok(())
            };
            match timeout(Duration::from_millis(50), reading).await {
                Ok(Ok(())) => return Ok(number),
                Ok(Err(Stop(reason))) => {
                    let what = format!("no more, after message {}", self.newest);
                    talk.transcript.received(&self.socket.lane, what);
                    return stop(reason);
                }
                Err(_) if self.newest > newest => patience = Instant::now() + CATCHING_UP,
                Err(_) if Instant::now() < patience => {}
                Err(_) => break,
            }
        }
        let lane = &self.socket.lane;
        let instead = "nothing of what alice says now";
        talk.transcript.received(lane, instead);
        stop(format!(
            "{lane} heard {instead}, though {lane} went on reading for {} s",
            CATCHING_UP.as_secs()
        ))
    }
}

/// How long a client may take nothing, in the first half of the exercise.
const SHORT_STALL: Duration = Duration::from_millis(300);

async fn somebody_takes_nothing(talk: Conversation) -> Step {
    let stall = SHORT_STALL.as_millis().to_string();
    let strict = talk.at_another_server(&[("STALL_MS", &stall)]).await?;
    let mut room = Room::with(&strict, CHAT, &["alice", "bob"]).await?;

    talk.step("nobody says anything for three times STALL_MS");
    sleep(3 * SHORT_STALL).await;
    talk.step("and nobody is gone");
    room.say(ALICE, "So quiet here.").await?;

    talk.step("zoe joins and says so, and reads no more after that");
    room.join(strict.narrow_socket("zoe", CHAT, 4096).await?)
        .await?;
    let mut zoe = room.people.pop().expect("zoe is there");

    talk.step("alice says long things, and everybody hears that one less is online");
    without_zoe(&talk, &mut room).await?;
    talk.step("zoe reads what was on its way");
    zoe.receive_close().await?;
    talk.step("the others go on");
    room.say(BOB, "Where is zoe?").await?;

    talk.step("yan reads slowly, but he reads");
    for stall in [1, 2, 4, 8].map(Duration::from_secs) {
        // A machine that has much to do may read too slowly itself. Then more
        // time is given; and in the end nobody is blamed.
        if let Pace::Kept = yan_reads_slowly(&talk, stall).await? {
            break;
        }
    }
    talk.transcript
        .received("yan", "what alice says, and he is never closed");
    Ok(())
}

/// How long alice talks at most, on a machine that may have much else to do.
/// What fills all buffers of somebody who does not read takes a second or two.
const NOTICING: Duration = Duration::from_secs(30);

/// Alice talks until everybody has heard that one less is online. When she has said
/// all that she has to say, they only wait for it.
async fn without_zoe(talk: &Conversation, room: &mut Room) -> Step {
    let one_less = json!({ "online": room.people.len() });
    let mut people: Vec<Told> = room.people.drain(..).map(Told::new).collect();
    let long = "x".repeat(LONG);
    let patience = Instant::now() + NOTICING;
    for number in 1..=FLOOD {
        if people.iter().all(|person| person.told) || Instant::now() > patience {
            break;
        }
        let message = says("alice", &format!("{number} {long}"));
        people[ALICE].socket.send_quietly(&message).await?;
        for person in &mut people {
            while !person.hears(talk, &message, &one_less).await? {}
        }
    }
    for mut person in people {
        while !person.told {
            person.hears(talk, &one_less, &one_less).await?;
        }
        let lane = &person.socket.lane;
        talk.transcript
            .received(lane, format!("text {}", readable(&one_less.to_string())));
        room.people.push(person.socket.passing_over(is_presence));
    }
    Ok(())
}

/// Somebody who waits to be told how many are online.
struct Told {
    socket: Socket,
    told: bool,
}

impl Told {
    fn new(socket: Socket) -> Self {
        Self {
            socket: socket.passing_over(|_| false),
            told: false,
        }
    }

    /// Reads one message, and says whether it was this one. How many are online
    /// may come at any time.
    async fn hears(&mut self, talk: &Conversation, message: &Value, online: &Value) -> Step<bool> {
        let heard = match self.socket.next().await {
            Ok(heard) => heard,
            Err(instead) => return self.trouble(talk, &instead, message),
        };
        match json_of(&heard) {
            Some(heard) if heard == *online => {
                self.told = true;
                Ok(heard == *message)
            }
            Some(heard) if heard == *message => Ok(true),
            _ => self.trouble(talk, &name_of(&heard), message),
        }
    }

    fn trouble<T>(&self, talk: &Conversation, instead: &str, message: &Value) -> Step<T> {
        let lane = &self.socket.lane;
        talk.transcript.received(lane, instead);
        let due = match number_of(message) {
            Some(number) => format!("message {number}"),
            None => message.to_string(),
        };
        stop(format!("{lane} got {instead}, where {due} was due"))
    }
}

/// Whether a reader was as fast as it is asked to be.
enum Pace {
    Kept,
    Lost,
}

/// How many bytes each message has that yan reads slowly.
const LONGER: usize = 60_000;

/// What the kernel tells a server of its reader is coarse: it may keep quiet
/// until a megabyte of its buffer is free again. A reader that takes so many of
/// these messages in `STALL_MS` has been seen to read.
const SEEN_TO_READ: usize = 2_000_000 / LONGER;

/// How many messages yan is behind all the time: about 50 of them wait in
/// kernels, and taking the rest takes longer than `STALL_MS`.
const BEHIND: usize = 200;

/// Alice is soon ahead of yan, and then says one thing for each that he reads,
/// for longer than `STALL_MS`.
async fn yan_reads_slowly(talk: &Conversation, stall: Duration) -> Step<Pace> {
    let milliseconds = stall.as_millis().to_string();
    let aside = talk.aside();
    let aside = aside
        .at_another_server(&[("STALL_MS", &milliseconds)])
        .await?;
    let mut room = Room::with(&aside, CHAT, &["alice", "bob"]).await?;
    room.join(aside.narrow_socket("yan", CHAT, 4096).await?)
        .await?;
    let mut yan = room.people.pop().expect("yan is there");

    let mut said = 0;
    let mut reads = vec![Instant::now()];
    while reads[0].elapsed() < stall * 5 / 2 || reads.len() < BEHIND {
        let behind = said + 1 - reads.len();
        let more = if behind < BEHIND { ON_THEIR_WAY } else { 1 };
        let numbers: Vec<usize> = (said + 1..=said + more).collect();
        room.say_numbers(&aside, ALICE, &numbers, LONGER).await?;
        said += more;
        let heard = yan.next().await;
        reads.push(Instant::now());
        let recent = reads[reads.len().saturating_sub(SEEN_TO_READ)];
        if recent.elapsed() >= stall {
            return Ok(Pace::Lost);
        }
        let instead = match heard {
            Ok(Message::Text(_)) => {
                sleep(stall / 100).await;
                continue;
            }
            Ok(other) => name_of(&other),
            Err(instead) => instead,
        };
        talk.transcript.received("yan", &instead);
        return stop(format!(
            "yan got {instead} after {} messages, though he read all the time",
            reads.len() - 2
        ));
    }
    Ok(Pace::Kept)
}

/// How many messages leave the client in one write.
const TOGETHER: usize = 100;

/// In how many reads they must come, at most.
const READS: usize = TOGETHER / 5;

/// How often they do, at least.
const TIMES: usize = 20;

/// How often the reader must have been there all the time. It then sees each
/// write by itself.
const PROMPTLY: usize = 3;

/// How long this may take on a machine that has much to do.
const PATIENTLY: Duration = Duration::from_secs(20);

/// How many messages that are alone go round one after the other, and in what
/// time, unless the machine has much else to do. So once is enough.
const ALONE: usize = 5;
const SOON: Duration = Duration::from_millis(50);

async fn many_leave_together(talk: Conversation) -> Step {
    let talk = talk.at_another_server(&[ONE_THREAD]).await?;
    let mut room = Room::with(&talk, CHAT, &["alice"]).await?;
    talk.step("bob joins and says so");
    let mut bob = BareReader::open(&talk, "bob", CHAT)?.passing_over(is_presence);
    bob.send_json(&says("bob", "I am here."))?;
    bob.receive()?;
    room.people[ALICE].receive().await?;

    talk.step(&format!(
        "alice sends {TOGETHER} messages in one write, again and again"
    ));
    let alice = &mut room.people[ALICE];
    let begun = Instant::now();
    let (mut times, mut promptly) = (0, 0);
    while times < TIMES || (promptly < PROMPTLY && begun.elapsed() < PATIENTLY) {
        let numbers = times * TOGETHER + 1..=(times + 1) * TOGETHER;
        let messages: Vec<Value> = numbers.map(numbered).collect();
        let (heard, burst) = one_write(alice, bob, &messages).await?;
        bob = heard;
        in_order(&talk, &burst, &messages)?;
        times += 1;
        promptly += usize::from(burst.prompt);
        if burst.reads > READS {
            let what = format!("{TOGETHER} of them in more than {READS} reads");
            talk.transcript.received("bob", what);
            return stop(format!(
                "bob needed {} reads for {TOGETHER} messages: they were written one by one, not together",
                burst.reads
            ));
        }
    }
    talk.transcript.received("bob", "all of them in order");
    let what = format!("each {TOGETHER} of them in no more than {READS} reads");
    talk.transcript.received("bob", what);

    talk.step(&format!(
        "alice says {ALONE} things, each when everyone has heard the one before, again and again"
    ));
    let soon = format!("{ALONE} of them within {} ms", SOON.as_millis());
    let begun = Instant::now();
    let mut number = times * TOGETHER;
    loop {
        let first = Instant::now();
        for _ in 0..ALONE {
            number += 1;
            let message = [numbered(number)];
            let (heard, burst) = one_write(alice, bob, &message).await?;
            bob = heard;
            in_order(&talk, &burst, &message)?;
        }
        if first.elapsed() < SOON {
            talk.transcript.received("bob", soon);
            return Ok(());
        }
        if begun.elapsed() > PATIENTLY {
            talk.transcript.received("bob", format!("never {soon}"));
            return stop(format!(
                "in {} s bob never heard {soon}: a message that was alone waited for others",
                PATIENTLY.as_secs()
            ));
        }
    }
}

/// Alice sends messages in one write; bob hears them in a thread of his own, then alice.
async fn one_write(
    alice: &mut Socket,
    mut bob: BareReader,
    messages: &[Value],
) -> Step<(BareReader, Burst)> {
    let count = messages.len();
    let (reads, bob_reads) = oneshot::channel();
    let reading = spawn_blocking(move || {
        // If alice waits no more, the conversation is over.
        let _ = reads.send(());
        let burst = bob.hear(count);
        (bob, burst)
    });
    let _ = bob_reads.await;
    let texts: Vec<String> = messages.iter().map(Value::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    alice.send_together(&texts).await?;
    let heard = reading
        .await
        .or_else(|_| stop("bob could not read: his thread ended"))?;
    for message in messages {
        if let Err(instead) = hears(alice, message).await {
            return stop(format!("alice got {instead} instead of {message}"));
        }
    }
    Ok(heard)
}

/// What bob heard is what alice said.
fn in_order(talk: &Conversation, burst: &Burst, messages: &[Value]) -> Step {
    for (heard, message) in burst.messages.iter().zip(messages) {
        let instead = match heard {
            Ok(heard) if json_of(heard).as_ref() == Some(message) => continue,
            Ok(other) => name_of(other),
            Err(instead) => instead.clone(),
        };
        let what = format!("{instead} instead of {message}");
        talk.transcript.received("bob", &what);
        return stop(format!("bob got {what}"));
    }
    Ok(())
}

fn numbered(number: usize) -> Value {
    says("alice", &number.to_string())
}
