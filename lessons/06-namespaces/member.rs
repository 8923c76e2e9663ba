//! One client: the rooms it is in, and what it asks for.

use std::{future::pending, sync::Arc};

use axum::extract::ws::Utf8Bytes;
use tokio_stream::{
    StreamMap,
    wrappers::{BroadcastStream, errors::BroadcastStreamRecvError},
};

use crate::{
    envelope::{Asked, Event, Place},
    message::check,
    rooms::Rooms,
};

/// What a room says, or how many texts this client has missed.
pub type Heard = Result<Utf8Bytes, BroadcastStreamRecvError>;

/// A client, with what it hears from each room that it is in.
pub struct Member {
    rooms: Arc<Rooms>,
    texts: StreamMap<Place, BroadcastStream<Utf8Bytes>>,
}

impl Member {
    /// A client that is in no room yet.
    pub fn new(rooms: Arc<Rooms>) -> Self {
        let texts = StreamMap::new();
        Self { rooms, texts }
    }

    /// Waits for what any of the rooms says next.
    pub async fn next(&mut self) -> Heard {
        // Exercise 6.1, second half: whichever room speaks first.
        // TODO 6.1: return what the next of self.texts says, if there is one
        // Who is in no room hears nothing.
        pending().await
    }

    /// Does what is asked, or says why not.
    pub fn act(&mut self, asked: Asked) -> Result<(), String> {
        let Asked { place, event, data } = asked;
        // Exercise 6.2, second half: who is outside joins, who is inside leaves and speaks.
        // TODO 6.2: return an error if this client cannot do that here
        // Exercise 6.3: whoever hears the news does not say any.
        // TODO 6.3: return an error if this is a message in the news
        match event {
            Event::Join => self.join(place),
            Event::Leave => self.leave(&place),
            Event::Message => self.rooms.say(&place, &check(data)?),
        }
        Ok(())
    }

    fn join(&mut self, place: Place) {
        let texts = BroadcastStream::new(self.rooms.enter(&place));
        // Exercise 6.1, first half: from now on this client hears this room too.
        todo!("6.1 put the texts of this room among self.texts: {place:?}, {texts:?}")
    }

    fn leave(&mut self, place: &Place) {
        if let Some(texts) = self.texts.remove(place) {
            self.rooms.leave(place, texts);
        }
    }

    /// The client is gone, in whatever way.
    pub fn leave_all(&mut self) {
        // Exercise 6.5: whoever is gone is in no room any more.
        // TODO 6.5: leave every room that this client is in
    }
}
