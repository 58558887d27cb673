//! End-to-end tests: starting servers, talking to them over real sockets, and stopping them.
//!
//! The library holds what the tests under `tests/` share: a running [`Server`], a raw [`Client`] that can also send
//! what no proper client would, a [`Bystander`] that measures whether anybody else is harmed, a real Redis as a
//! [`Peer`], a [`differential`] comparison with it, lines for [`propagation`], the [`facts`] that servers tell about their
//! commands, runners for the [`scripts`] of foreign client libraries, an [`Authority`] for TLS, and views of a server's
//! [`sockets`].
#![forbid(unsafe_code)]

mod bystander;
mod client;
pub mod differential;
pub mod facts;
mod peer;
pub mod propagation;
pub mod scripts;
mod server;
pub mod sockets;
mod tls;

pub use bystander::{Bystander, Latencies};
pub use client::{Client, Reply};
pub use peer::Peer;
pub use server::{Server, await_that, free_port, program, raise_open_files, workspace_target};
pub use tls::{Authority, Keys, uri};
