//! A connected socket of any kind.

use super::sockopt;
use super::tls_stream::TlsStream;
use socket2::SockRef;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A client's socket.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
}

impl Stream {
    pub(crate) fn fd(&self) -> RawFd {
        match self {
            Stream::Tcp(stream) => stream.as_raw_fd(),
            Stream::Unix(stream) => stream.as_raw_fd(),
            Stream::Tls(stream) => stream.tcp().as_raw_fd(),
        }
    }
    /// The TCP socket below, if there is one.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(stream) => Some(stream),
            Stream::Unix(_) => None,
            Stream::Tls(stream) => Some(stream.tcp()),
        }
    }
    /// Waits until there is something to read, without a buffer to read it into.
    pub(crate) fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Stream::Tcp(stream) => stream.poll_read_ready(cx),
            Stream::Unix(stream) => stream.poll_read_ready(cx),
            Stream::Tls(stream) => stream.poll_plaintext(cx),
        }
    }
    /// The socket once more; none where what is sent is encrypted.
    pub(crate) fn duplicate(&self) -> Option<Stream> {
        let duplicate = |socket: BorrowedFd<'_>| socket.try_clone_to_owned().ok();
        match self {
            Stream::Tcp(stream) => {
                let socket = duplicate(stream.as_fd())?;
                TcpStream::from_std(socket.into()).ok().map(Stream::Tcp)
            }
            Stream::Unix(stream) => {
                let socket = duplicate(stream.as_fd())?;
                UnixStream::from_std(socket.into()).ok().map(Stream::Unix)
            }
            Stream::Tls(_) => None,
        }
    }
    /// Asks for immediate acknowledgements again, after a read. A socket that refuses serves all the same.
    pub(crate) fn rearm_quickack(&self) {
        if let Some(stream) = self.tcp() {
            let _ = sockopt::rearm_quickack(stream);
        }
    }
    /// Holds partial segments back, or sends them; true if that is possible here.
    pub(crate) fn set_cork(&self, corked: bool) -> bool {
        match self.tcp() {
            Some(stream) if corked => sockopt::cork(stream).is_ok(),
            Some(stream) => sockopt::uncork(stream).is_ok(),
            None => false,
        }
    }
    /// Has what is sent wait for more where that saves packets. A socket that refuses serves all the same.
    pub(crate) fn fill_packets(&self) {
        if let Some(stream) = self.tcp() {
            let _ = stream.set_nodelay(false);
        }
    }
    /// To be called before the connection is closed by this side.
    pub(crate) fn say_goodbye(&mut self) {
        if let Stream::Tls(stream) = self {
            stream.say_goodbye();
        }
    }
    /// Sends what the socket takes at once, past the event loop, which does not know a fresh socket to be writable.
    pub(crate) fn send_now(&mut self, bytes: &[u8]) {
        // The peer may be gone; nobody waits for the outcome.
        let _ = match self {
            Stream::Tls(stream) => stream.send_now(bytes),
            Stream::Tcp(stream) => SockRef::from(&*stream).send(bytes),
            Stream::Unix(stream) => SockRef::from(&*stream).send(bytes),
        };
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => stream.poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => stream.poll_write(cx, buf),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => stream.poll_shutdown(cx),
        }
    }
}
