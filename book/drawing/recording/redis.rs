//! What a process of lesson 8 says to Redis, and Redis to it.

use graders::conversation::{Conversation, Step, Stop, stop};
use graders::redis_server::RedisServer;
use graders::room::says;
use graders::server::{Program, Server};
use graders::socket::{Socket, json_of};
use wire::recording::Recording;

use super::conversations::{MESSAGE, SENDER};
use super::forwarder::Forwarder;

/// Who answers, at another process.
pub const OTHER: &str = "Ben";

/// What Ben says.
pub const ANSWER: &str = "Hello, Ann!";

/// The room in which they are.
pub const CHANNEL: &str = "chat:lobby";

/// Ann's process talks to Redis through a forwarder, Ben's past it. She enters
/// a room and speaks, he answers, and she leaves.
pub async fn one_chat(program: &Program) -> Result<Recording, String> {
    let talk = Conversation::new(Server::start(program).await?);
    let held = async {
        let redis = RedisServer::start(&talk).await?;
        let forwarder = Forwarder::start(&redis.address()).await;
        let forwarder = forwarder.map_err(|error| Stop(error.to_string()))?;
        let url = format!("redis://{}", forwarder.address);
        let anns = talk.at_another_server(&[("REDIS_URL", &url)]).await?;
        let bens = redis.process(&talk).await?;
        let path = "/ws/chat/lobby";
        let mut ann = anns.socket(SENDER, path).await?;
        let mut ben = bens.socket(OTHER, path).await?;
        redis.subscribers_become(CHANNEL, 2).await?;
        speak(&mut ann, MESSAGE, &mut ben).await?;
        speak(&mut ben, ANSWER, &mut ann).await?;
        ann.close(Some(1000)).await?;
        redis.subscribers_become(CHANNEL, 1).await?;
        Ok(forwarder.recording())
    };
    let held: Step<Recording> = held.await;
    held.map_err(|Stop(reason)| reason)
}

/// Says something, and waits until it is heard; presence and the like come before it.
async fn speak(speaker: &mut Socket, message: &str, listener: &mut Socket) -> Step {
    let said = says(&speaker.lane, message);
    speaker.send_json(said.clone()).await?;
    loop {
        match listener.next().await {
            Ok(message) if json_of(&message).as_ref() == Some(&said) => return Ok(()),
            Ok(_) => {}
            Err(instead) => return stop(format!("{} got {instead}", listener.lane)),
        }
    }
}
