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

// ANCHOR: member
/// A client, with what it hears from each room that it is in.
pub struct Member {
    rooms: Arc<Rooms>,
    texts: StreamMap<Place, BroadcastStream<Utf8Bytes>>,
}
// ANCHOR_END: member

impl Member {
    /// A client that is in no room yet.
    pub fn new(rooms: Arc<Rooms>) -> Self {
        let texts = StreamMap::new();
        Self { rooms, texts }
    }

    // ANCHOR: next
    /// Waits for what any of the rooms says next.
    pub async fn next(&mut self) -> Heard {
        // ANCHOR_END: next
        // Exercise 6.1, second half: whichever room speaks first.
        use tokio_stream::StreamExt;
        if let Some((_, heard)) = self.texts.next().await {
            return heard;
        }
        // Who is in no room hears nothing.
        pending().await
    }

    // ANCHOR: whole_act
    // ANCHOR: act
    /// Does what is asked, or says why not.
    pub fn act(&mut self, asked: Asked) -> Result<(), String> {
        let Asked { place, event, data } = asked;
        // ANCHOR_END: act
        // Exercise 6.2, second half: who is outside joins, who is inside leaves and speaks.
        match (event, self.texts.contains_key(&place)) {
            (Event::Join, true) => return Err("you are in this room already".to_string()),
            (Event::Leave | Event::Message, false) => {
                return Err("you are not in this room".to_string());
            }
            _ => {}
        }
        // Exercise 6.3: whoever hears the news does not say any.
        use crate::envelope::Namespace;
        if place.ns == Namespace::News && matches!(event, Event::Message) {
            return Err("news is read-only".to_string());
        }
        // ANCHOR: act_event
        match event {
            Event::Join => self.join(place),
            Event::Leave => self.leave(&place),
            Event::Message => self.rooms.say(&place, &check(data)?),
        }
        Ok(())
    }
    // ANCHOR_END: act_event
    // ANCHOR_END: whole_act

    // ANCHOR: join_and_leave
    // ANCHOR: join
    fn join(&mut self, place: Place) {
        let texts = BroadcastStream::new(self.rooms.enter(&place));
        // ANCHOR_END: join
        // Exercise 6.1, first half: from now on this client hears this room too.
        self.texts.insert(place, texts);
    }

    // ANCHOR: leave
    fn leave(&mut self, place: &Place) {
        if let Some(texts) = self.texts.remove(place) {
            self.rooms.leave(place, texts);
        }
    }
    // ANCHOR_END: leave
    // ANCHOR_END: join_and_leave

    // ANCHOR: leave_all
    /// The client is gone, in whatever way.
    pub fn leave_all(&mut self) {
        // Exercise 6.5: whoever is gone is in no room any more.
        let places: Vec<Place> = self.texts.keys().cloned().collect();
        for place in &places {
            self.leave(place);
        }
    }
    // ANCHOR_END: leave_all
}
