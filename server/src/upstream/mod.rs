//! The primary that this process follows, while it is a replica.
//!
//! One worker has a task that keeps up the link: it connects, introduces the process, takes in a snapshot if one is needed,
//! and then hands the socket to an ordinary connection, whose client carries the stream. What that client sends is executed
//! by the dispatcher like anything else, past the gates, without replies; under the locks of each command its bytes are
//! added to this process's own stream, for replicas of its own. The protocol is in the `replication` crate.

mod figures;
mod link;
mod load;
mod own_keys;
mod session;
mod snapshot;
mod state;
mod switch;
mod wire;

pub use figures::Summary;
pub use link::Link;
pub(crate) use own_keys::{OwnKeys, expire as expire_own_keys, note as note_own_keys};
pub(crate) use session::follow;
pub use state::{Stage, Upstream};
pub(crate) use switch::{judge, lead, recall, set, start_up};
