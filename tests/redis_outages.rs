//! Redis is killed and comes back, again and again, while people talk: in a
//! process nothing is lost or doubled, between processes all goes on when
//! Redis is back, and nothing is left behind.

use serde_json::{Value, json};

use crate::conversation::{Conversation, Step, Stop, stop};
use crate::redis_server::RedisServer;
use crate::resources::Resources;
use crate::room::{hears, is_presence, says};
use crate::server::{Program, Server};
use crate::socket::{Socket, json_of};

/// How often Redis is killed.
const OUTAGES: usize = 10;

/// How many messages each says around the moment in which Redis is killed.
const AROUND: usize = 100;

/// How much more memory a process may take after all outages than after the
/// first two, in KiB.
const SLACK: usize = 4 * 1024;

/// Kills Redis ten times, and compares what two processes take afterwards with
/// what they took before. Two more outages come first: a program may keep
/// memory for the next time.
///
/// # Errors
/// What was lost, doubled or left behind, in one sentence.
pub async fn survived(program: &Program) -> Result<(), String> {
    let talk = Conversation::new(Server::start(program).await?);
    let mut outages = Outages::begin(&talk).await.map_err(|Stop(reason)| reason)?;
    for number in 1..=2 {
        outages.one(number).await.map_err(|Stop(reason)| reason)?;
    }
    let before = outages.resources()?;
    for number in 3..=2 + OUTAGES {
        let outage = outages.one(number).await;
        outage.map_err(|Stop(reason)| format!("outage {number}: {reason}"))?;
    }
    for (process, before) in outages.processes.iter().zip(before) {
        let settled = |now: &Resources| {
            now.descriptors <= before.descriptors
                && now.threads <= before.threads
                && now.memory <= before.memory + SLACK
        };
        let left = process.server.resources_become(settled).await;
        left.map_err(|now| format!("before {OUTAGES} outages it was {before:?}; {now}"))?;
    }
    Ok(())
}

/// Two processes with somebody in each, and their Redis.
struct Outages {
    redis: RedisServer,
    processes: [Conversation; 2],
    people: [Socket; 2],
}

impl Outages {
    async fn begin(talk: &Conversation) -> Step<Self> {
        let redis = RedisServer::start(talk).await?;
        let processes = [redis.process(talk).await?, redis.process(talk).await?];
        let path = "/ws/chat/lobby";
        let people = [
            processes[0].socket("alice", path).await?,
            processes[1].socket("bob", path).await?,
        ];
        let mut people = people.map(|person| person.passing_over(is_presence));
        for person in &mut people {
            while !is_told(person).await?.eq(&json!(false)) {}
        }
        redis.subscribers_become("chat:lobby", 2).await?;
        Ok(Self {
            redis,
            processes,
            people,
        })
    }

    async fn one(&mut self, number: usize) -> Step {
        let [alice, bob] = &mut self.people;
        let said = |lane: &str, index: usize| says(lane, &format!("{number}.{index}"));
        // Redis is killed between two messages, while those before are on their way.
        for index in 0..AROUND {
            if index == AROUND / 2 {
                self.redis.kill();
            }
            alice.send_quietly(&said("alice", index)).await?;
            bob.send_quietly(&said("bob", index)).await?;
        }
        for (person, other) in [(&mut *alice, "bob"), (&mut *bob, "alice")] {
            let own = person.lane.clone();
            around(
                person,
                |index| said(&own, index),
                |index| said(other, index),
            )
            .await?;
        }
        self.redis.start_again().await?;
        for person in [&mut *alice, &mut *bob] {
            if is_told(person).await? != json!(false) {
                return stop(format!("{} was told twice that Redis is gone", person.lane));
            }
        }
        for speaker in [0, 1] {
            let lane = self.people[speaker].lane.clone();
            let message = says(&lane, &format!("after {number}"));
            self.people[speaker].send_quietly(&message).await?;
            for person in &mut self.people {
                let heard = hears(person, &message).await;
                heard.or_else(|instead| stop(format!("{} got {instead}", person.lane)))?;
            }
        }
        Ok(())
    }

    fn resources(&self) -> Result<[Resources; 2], String> {
        let [a, b] = &self.processes;
        Ok([a.server.resources()?, b.server.resources()?])
    }
}

/// Hears all of one's own messages in order, and a beginning of the other's, which
/// ends where Redis was killed; and is told that Redis is gone, once.
async fn around(
    person: &mut Socket,
    own: impl Fn(usize) -> Value,
    other: impl Fn(usize) -> Value,
) -> Step {
    let (mut own_heard, mut other_heard, mut told) = (0, 0, false);
    while own_heard < AROUND || !told {
        let heard = match person.next().await {
            Ok(message) => json_of(&message).unwrap_or_default(),
            Err(instead) => return stop(format!("{} got {instead}", person.lane)),
        };
        if heard == own(own_heard) {
            own_heard += 1;
        } else if heard == other(other_heard) && !told {
            other_heard += 1;
        } else if heard == json!({ "degraded": true }) && !told {
            told = true;
        } else {
            return stop(format!(
                "{} got {heard} after {own_heard} messages of their own and {other_heard} of the other",
                person.lane
            ));
        }
    }
    Ok(())
}

/// Waits for the next news of Redis.
async fn is_told(person: &mut Socket) -> Step<Value> {
    match person.next().await.map(|message| json_of(&message)) {
        Ok(Some(data)) if data.get("degraded").is_some() => Ok(data["degraded"].clone()),
        Ok(data) => stop(format!("{} got {data:?} in place of news", person.lane)),
        Err(instead) => stop(format!("{} got {instead}", person.lane)),
    }
}
