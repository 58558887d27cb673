//! Sockets: where the server listens and how connections are tuned.

pub mod listen;
pub mod sockopt;
