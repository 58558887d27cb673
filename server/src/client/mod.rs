//! Clients: the state of a session, the handle by which others see it, and the registry of all.

mod handle;
mod memory;
mod outbox;
mod registry;
mod replica;
mod session;
mod waker;

pub use handle::{ClientHandle, ClientKind, Origin, Published, Signals};
pub use memory::ClientMemory;
pub use outbox::{Outbox, Push};
pub use registry::{Registration, Registry};
pub use replica::ReplicaSide;
pub(crate) use session::Debugging;
pub use session::{Client, ReplyMode};
pub(crate) use waker::TaskWaker;
