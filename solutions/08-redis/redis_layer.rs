//! The layer over Redis: a channel for each room, and one task that owns the connection.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Msg, ProtocolVersion, PushInfo,
    PushKind, RedisResult, aio::MultiplexedConnection, pipe,
};
use tokio::{
    select,
    sync::{broadcast, mpsc, watch},
    time::interval,
};

use crate::{
    channel::{self, Carried, channel_of, room_of},
    layer::Layer,
    message::ChatMessage,
    room_name::RoomName,
    rooms::Rooms,
};

/// How many messages may wait for Redis.
const QUEUE: usize = 1024;

/// How many of them go in one write.
const AT_ONCE: usize = 100;

/// How many messages from Redis may wait for us. It does not wait, so this is for
/// a flood that is over after a moment.
const FLOOD: usize = 16 * 1024;

/// How often Redis is asked whether it is there, and how long it may take to answer.
const HEARTBEAT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait before the next attempt to connect: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

// ANCHOR: redis
/// What the rooms hold of the layer. It takes orders, and never waits.
pub struct Redis {
    origin: String,
    /// Which rooms are open is a state: the newest counts.
    open_rooms: watch::Sender<BTreeSet<RoomName>>,
    /// What is said are events: each counts.
    to_say: mpsc::Sender<Said>,
}

/// A text on its way to a channel.
struct Said {
    channel: String,
    text: String,
}

impl Layer for Redis {
    fn opened(&self, room: &RoomName) {
        self.open_rooms.send_modify(|open| {
            open.insert(room.clone());
        });
    }

    fn closed(&self, room: &RoomName) {
        self.open_rooms.send_modify(|open| {
            open.remove(room);
        });
    }

    fn say(&self, room: &RoomName, message: &ChatMessage) {
        let channel = channel_of(room);
        let text = channel::write(&self.origin, message);
        // Full: Redis is slow, or gone. Nobody here waits for it.
        let _ = self.to_say.try_send(Said { channel, text });
    }
}
// ANCHOR_END: redis

/// The task that owns the connection, and carries what goes through it.
pub struct Relay {
    client: Client,
    origin: String,
    open_rooms: watch::Receiver<BTreeSet<RoomName>>,
    to_say: mpsc::Receiver<Said>,
    /// How long to wait before the next attempt to connect.
    pause: Duration,
}

/// The layer, and the relay, which is to run in a task of its own.
pub fn layer_and_relay(url: &str) -> RedisResult<(Redis, Relay)> {
    let info = url.into_connection_info()?;
    // In RESP3 one connection may both subscribe and publish.
    let settings = info.redis_settings().clone();
    let info = info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3));
    let client = Client::open(info)?;
    // Not the number of the process: in containers, each is number 1.
    let origin = format!("{:032x}", rand::random::<u128>());
    let (open_rooms_sender, open_rooms_receiver) = watch::channel(BTreeSet::new());
    let (to_say_sender, to_say_receiver) = mpsc::channel(QUEUE);
    let relay = Relay {
        client,
        origin: origin.clone(),
        open_rooms: open_rooms_receiver,
        to_say: to_say_receiver,
        pause: SHORTEST_PAUSE,
    };
    let redis = Redis {
        origin,
        open_rooms: open_rooms_sender,
        to_say: to_say_sender,
    };
    Ok((redis, relay))
}

impl Relay {
    // ANCHOR: run
    /// Carries messages for as long as the program runs, whatever Redis does.
    pub async fn run(mut self, rooms: Arc<Rooms>) {
        loop {
            let reason = match self.carry(&rooms).await {
                Ok(()) => "the connection ended".to_string(),
                Err(error) => error.to_string(),
            };
            // ANCHOR_END: run
            // Exercise 8.3, second third: tell everybody, wait a while, and try again.
            eprintln!("No Redis: {reason}. Next attempt in {:?}.", self.pause);
            rooms.set_degraded(true);
            tokio::time::sleep(self.pause).await;
            self.pause = LONGEST_PAUSE.min(self.pause * 2);
        }
    }

    // ANCHOR: connected
    /// Connects, and carries messages until the connection ends.
    async fn carry(&mut self, rooms: &Rooms) -> RedisResult<()> {
        let (pushes, mut pushed) = broadcast::channel(FLOOD);
        let mut connection = self.connect(pushes).await?;
        let mut subscribed = BTreeSet::new();
        self.subscribe(&mut connection, &mut subscribed).await?;
        // What was said meanwhile is old.
        while self.to_say.try_recv().is_ok() {}
        // Whoever is told so may rely on it: we are subscribed.
        rooms.set_degraded(false);
        self.pause = SHORTEST_PAUSE;
        // ANCHOR_END: connected

        // ANCHOR: carry
        let mut waiting = Vec::new();
        let mut heartbeat = interval(HEARTBEAT);
        loop {
            select! {
                push = pushed.recv() => match push {
                    Ok(push) if push.kind == PushKind::Disconnection => return Ok(()),
                    Ok(push) => self.hear(push, rooms),
                    // We were too slow and have missed some: that is no better.
                    Err(_) => return Ok(()),
                },
                Ok(()) = self.open_rooms.changed() => {
                    self.subscribe(&mut connection, &mut subscribed).await?;
                }
                _ = self.to_say.recv_many(&mut waiting, AT_ONCE) => {
                    publish(&mut connection, &mut waiting).await?;
                }
                _ = heartbeat.tick() => {
                    // ANCHOR_END: carry
                    // Exercise 8.3, last third: one that hangs is as bad as one that is gone.
                    redis::cmd("PING").exec_async(&mut connection).await?;
                }
            }
        }
    }

    /// One connection, on which messages come as pushes, between the responses.
    async fn connect(
        &self,
        pushes: broadcast::Sender<PushInfo>,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_push_sender(pushes)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    // ANCHOR: subscribe
    /// Subscribes to the channels of the rooms that are open now, and to no other.
    async fn subscribe(
        &mut self,
        connection: &mut MultiplexedConnection,
        subscribed: &mut BTreeSet<RoomName>,
    ) -> RedisResult<()> {
        let open = self.open_rooms.borrow_and_update().clone();
        // ANCHOR_END: subscribe
        // Exercise 8.2: what is new is subscribed to, and what is gone no longer.
        let opened: Vec<String> = open.difference(subscribed).map(channel_of).collect();
        if !opened.is_empty() {
            connection.subscribe(opened).await?;
        }
        let closed: Vec<String> = subscribed.difference(&open).map(channel_of).collect();
        if !closed.is_empty() {
            connection.unsubscribe(closed).await?;
        }
        *subscribed = open;
        Ok(())
    }

    // ANCHOR: hear
    /// From a channel to the room.
    fn hear(&self, push: PushInfo, rooms: &Rooms) {
        let Some(message) = Msg::from_push_info(push) else {
            return;
        };
        let Some(room) = room_of(message.get_channel_name()) else {
            return;
        };
        match channel::read(message.get_payload_bytes()) {
            // Our own have been heard here already.
            Ok(carried) if self.is_ours(&carried) => {}
            Ok(carried) => rooms.hear(&room, &carried.message),
            // ANCHOR_END: hear
            // Exercise 8.4, second half: what is no message harms nobody.
            Err(problem) => eprintln!("No message came from the channel of {room}: {problem}"),
        }
    }

    /// Exercise 8.1, second half: whether this process has published it.
    fn is_ours(&self, carried: &Carried) -> bool {
        carried.origin.as_ref() == Some(&self.origin)
    }
}

// ANCHOR: publish
/// Brings what waits to its channels, in one write.
async fn publish(
    connection: &mut MultiplexedConnection,
    waiting: &mut Vec<Said>,
) -> RedisResult<()> {
    let mut commands = pipe();
    for said in waiting.drain(..) {
        commands.add_command(said.command()).ignore();
    }
    commands.query_async(connection).await
}
// ANCHOR_END: publish

impl Said {
    /// Exercise 8.1, first half: the command that brings it to its channel.
    fn command(self) -> Cmd {
        Cmd::publish(self.channel, self.text)
    }
}
