//! The network side: listeners, workers, connections.

mod accept;
mod addresses;
mod batch;
mod buffers;
mod connection;
mod followed;
mod handshake;
mod held_back;
pub(crate) mod http;
pub mod listen;
mod output;
pub mod sockopt;
pub(crate) mod stack;
mod stream;
mod tls_stream;
mod waiting;
mod worker;

pub use accept::Acceptor;
pub(crate) use batch::{Batch, KeyHashes, Queued};
pub(crate) use connection::{Closing, Connection};
pub use handshake::Handshakes;
pub(crate) use output::Output;
pub(crate) use stack::OnStack;
pub(crate) use stream::Stream;
pub(crate) use tls_stream::TlsStream;
pub(crate) use worker::PartOf;
pub use worker::{Incoming, Worker, WorkerPool};
