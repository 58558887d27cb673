//! The RESP2/RESP3 wire protocol, free of I/O: bytes come in as slices and go out into a `Vec<u8>`.
//!
//! - [`request`]: the server's side of a connection, an incremental decoder of multibulk and inline commands.
//! - [`reply`]: a writer of replies that knows the protocol version of its connection.
//! - [`client`]: the other side, a request encoder, a reply decoder and a reply counter.
//! - [`split`]: how a text line becomes arguments (inline commands, configuration lines, interactive input), and back.
//!
//! The crate knows no commands and no sockets. Every decoder resumes where it stopped, looks at no byte twice
//! beyond a small constant, allocates in proportion to what arrived and never to what was announced.
#![forbid(unsafe_code)]

pub mod client;
pub mod error;
mod number;
pub mod reply;
pub mod request;
pub mod split;

pub use client::{ReplyDecoder, ReplySkipper, Value, encode_arguments, encode_command};
pub use error::{ProtocolError, ReplyError};
pub use reply::{Protocol, ReplyWriter};
pub use request::{Decoded, Limits, RequestDecoder, Span};
