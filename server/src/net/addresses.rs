//! What the ends of a connection are called.

use std::net::SocketAddr;

/// How the two ends of a connection are called.
pub(crate) struct Addresses {
    pub(crate) peer: String,
    pub(super) local: String,
    pub(super) is_unix: bool,
    pub(super) is_loopback: bool,
}

impl Addresses {
    pub(crate) fn tcp(peer: SocketAddr, local: SocketAddr) -> Addresses {
        let is_loopback = peer.ip().to_canonical().is_loopback();
        let text = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port()).to_string();
        Addresses { peer: text(peer), local: text(local), is_unix: false, is_loopback }
    }
    pub(crate) fn unix(path: &str) -> Addresses {
        Addresses { peer: format!("{path}:0"), local: format!("{path}:0"), is_unix: true, is_loopback: true }
    }
}
