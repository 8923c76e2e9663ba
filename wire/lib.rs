//! Stands between a client and a server, and shows every byte that passes.
//!
//! [`forwarding`] passes the bytes on and says what it heard. [`conversation`]
//! reads what was said on a connection, and makes [`event`]s of it. [`journal`]
//! keeps the newest events, and tells them to whoever looks: [`viewers`] are the
//! page's sockets, [`printing`] is the terminal. [`recording`] is a file of what
//! was heard.

pub mod body;
pub mod conversation;
mod conversations;
pub mod event;
pub mod explained;
mod files;
pub mod forwarding;
pub mod frames;
pub mod head;
pub mod journal;
pub mod kept;
mod notation;
pub mod printing;
pub mod recording;
mod rules;
pub mod saving;
mod server_sent;
pub mod side;
pub mod viewers;
mod visitors;
