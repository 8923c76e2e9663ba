//! Measures what a chat can carry when one speaks and a thousand listen.
//!
//! [`fanout`](../run/fanout.rs) is the benchmark. It starts a server in a process of
//! its own ([`server`]), connects a crowd to it ([`crowd`]), lets one of them speak
//! flat out, and reads off what the server did ([`usage`]). Servers that are no
//! lesson stand beside the lessons in the same run: [`plain`], what anybody would
//! write first, and the two of [`bare`], the same bytes without a WebSocket library.

pub mod bare;
pub mod crowd;
pub mod measured;
pub mod network;
pub mod plain;
pub mod server;
pub mod steps;
pub mod usage;
