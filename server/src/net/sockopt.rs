//! Options of accepted TCP sockets, and the two options of listeners that `socket2` does not have.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

// `sockopt_impl!` calls the other two by their bare names.
use nix::sys::socket::SetSockOpt;
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};
use socket2::{SockRef, TcpKeepalive};

sockopt_impl!(
    /// `TCP_FASTOPEN` on a listener: how many connections may wait whose first data came with their SYN.
    TcpFastOpenQueue,
    Both,
    libc::IPPROTO_TCP,
    libc::TCP_FASTOPEN,
    usize
);

sockopt_impl!(
    /// `TCP_DEFER_ACCEPT` on a listener: for how many seconds the kernel keeps a connection to itself until data arrive.
    TcpDeferAccept,
    Both,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    usize
);

/// How to tune an accepted TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// `tcp-keepalive`: seconds of silence before the first probe, 0 for no probes.
    pub keepalive_s: u32,
    /// `TCP_USER_TIMEOUT`: how long sent data may stay unacknowledged, in milliseconds; 0 leaves it to the kernel.
    pub user_timeout_ms: u32,
    /// `TCP_QUICKACK`: acknowledge at once. Only a wish to the kernel, see [`rearm_quickack`].
    pub quickack: bool,
}

impl Default for SocketOptions {
    /// Redis's default: probes after 300 seconds, nothing else.
    fn default() -> Self {
        SocketOptions { keepalive_s: 300, user_timeout_ms: 0, quickack: false }
    }
}

/// Tunes a fresh TCP connection: `TCP_NODELAY` always, the rest as `options` says.
///
/// Of `keepalive_s` the idle time is the whole, the interval a third (at least one second), and three unanswered probes
/// close the connection, as in Redis.
///
/// # Errors
/// What the kernel answers, for example for a connection that is already reset.
pub fn tune(socket: &impl AsFd, options: &SocketOptions) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    if options.keepalive_s > 0 {
        let idle = Duration::from_secs(options.keepalive_s.into());
        let interval = Duration::from_secs((options.keepalive_s / 3).max(1).into());
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(3))?;
    }
    if options.user_timeout_ms > 0 {
        socket.set_tcp_user_timeout(Some(Duration::from_millis(options.user_timeout_ms.into())))?;
    }
    if options.quickack {
        socket.set_tcp_quickack(true)?;
    }
    Ok(())
}

/// Asks for immediate acknowledgements again. The kernel forgets `TCP_QUICKACK` on its own (tcp(7)), so this follows each
/// read of a connection that wants it.
///
/// # Errors
/// What the kernel answers.
pub fn rearm_quickack(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_quickack(true)
}

/// Holds back partial segments until [`uncork`], for a reply that is written in several pieces. The kernel lets go by itself
/// after 200 ms.
///
/// # Errors
/// What the kernel answers.
pub fn cork(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_cork(true)
}

/// Sends what [`cork`] held back.
///
/// # Errors
/// What the kernel answers.
pub fn uncork(socket: &impl AsFd) -> io::Result<()> {
    SockRef::from(socket).set_tcp_cork(false)
}

/// Sets the listener options of our own; 0 leaves one off.
///
/// # Errors
/// What the kernel answers.
pub(super) fn tune_listener(listener: &impl AsFd, fastopen_queue: usize, defer_accept_s: usize) -> io::Result<()> {
    if fastopen_queue > 0 {
        TcpFastOpenQueue.set(listener, &fastopen_queue)?;
    }
    if defer_accept_s > 0 {
        TcpDeferAccept.set(listener, &defer_accept_s)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn accepted() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0, client)
    }

    fn keepalive(seconds: u32) -> SocketOptions {
        SocketOptions { keepalive_s: seconds, ..SocketOptions::default() }
    }

    #[test]
    fn keepalive_is_split_as_in_redis() {
        for (seconds, interval) in [(300, 100), (60, 20), (2, 1), (1, 1)] {
            let (server, _client) = accepted();
            tune(&server, &keepalive(seconds)).unwrap();
            let socket = SockRef::from(&server);
            assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(seconds.into()));
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(interval));
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        }
    }

    #[test]
    fn everything_else_is_off_by_default() {
        let (server, _client) = accepted();
        tune(&server, &keepalive(0)).unwrap();
        let socket = SockRef::from(&server);
        assert!(socket.tcp_nodelay().unwrap() && !socket.keepalive().unwrap() && !socket.tcp_cork().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap().unwrap_or_default(), Duration::ZERO);
    }

    #[test]
    fn user_timeout_is_set() {
        let (server, _client) = accepted();
        tune(&server, &SocketOptions { user_timeout_ms: 12_345, ..SocketOptions::default() }).unwrap();
        assert_eq!(SockRef::from(&server).tcp_user_timeout().unwrap(), Some(Duration::from_millis(12_345)));
    }

    #[test]
    fn quickack_is_set_and_armed_again() {
        let (server, _client) = accepted();
        SockRef::from(&server).set_tcp_quickack(false).unwrap();
        assert!(!SockRef::from(&server).tcp_quickack().unwrap());
        tune(&server, &SocketOptions { quickack: true, ..SocketOptions::default() }).unwrap();
        assert!(SockRef::from(&server).tcp_quickack().unwrap());
        SockRef::from(&server).set_tcp_quickack(false).unwrap();
        rearm_quickack(&server).unwrap();
        assert!(SockRef::from(&server).tcp_quickack().unwrap());
    }

    #[test]
    fn corked_bytes_arrive_together() {
        use std::io::{Read, Write};
        let (mut server, mut client) = accepted();
        cork(&server).unwrap();
        assert!(SockRef::from(&server).tcp_cork().unwrap());
        server.write_all(b"one ").unwrap();
        server.write_all(b"two").unwrap();
        uncork(&server).unwrap();
        assert!(!SockRef::from(&server).tcp_cork().unwrap());
        let mut buffer = [0; 16];
        let length = client.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"one two");
    }
}
