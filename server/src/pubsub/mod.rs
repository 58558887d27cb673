//! Publish and subscribe: who listens to what, and how a message reaches all who do.
//!
//! A register of the process knows how many clients of each worker listen to a channel or pattern. A message goes, once,
//! to the desk of each worker that has listeners, all under one short lock: so everybody sees messages in one order. The
//! worker then hands it to its own clients, a few at a time. No message is copied before it is written.

mod desk;
mod hub;
mod message;
mod notify;
mod subscriptions;

pub(crate) use desk::deliver;
pub(crate) use hub::Staged;
pub use hub::{PubSub, Space};
pub use message::Message;
pub(crate) use notify::notify;
pub(crate) use subscriptions::Subscriptions;
