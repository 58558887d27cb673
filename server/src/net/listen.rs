//! TEMPORARY
#![allow(missing_docs)]
pub enum Listener { Tcp(std::net::TcpListener), Unix(std::os::unix::net::UnixListener) }
