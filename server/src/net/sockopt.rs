//! TEMPORARY
#![allow(missing_docs)]
pub struct SocketOptions;
impl From<&crate::config::Config> for SocketOptions { fn from(_: &crate::config::Config) -> Self { SocketOptions } }
pub fn apply(s: &tokio::net::TcpStream, _: &SocketOptions) { let _ = s.set_nodelay(true); }
