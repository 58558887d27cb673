//! A TCP connection that speaks TLS: what is read is decrypted, what is written encrypted.

use ochre_tls::rustls::pki_types::CertificateDer;
use ochre_tls::rustls::{Connection, Error};
use socket2::SockRef;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A TLS connection of either side, after or during its handshake.
pub(crate) struct TlsStream {
    tcp: TcpStream,
    session: Box<Connection>,
    /// How many bytes that were to be written are encrypted, but not all sent: they have not been reported as written.
    taken: usize,
}

/// Bytes that are encrypted at once.
const WRITE_MAX: usize = 64 * 1024;

impl TlsStream {
    pub(crate) fn new(tcp: TcpStream, session: Box<Connection>) -> TlsStream {
        TlsStream { tcp, session, taken: 0 }
    }

    /// The socket below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// The certificate that the peer has shown, if it has.
    pub(crate) fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.session.peer_certificates()?.first()
    }

    /// Its two halves, on their way to another event loop.
    pub(crate) fn into_parts(self) -> io::Result<(std::net::TcpStream, Box<Connection>)> {
        Ok((self.tcp.into_std()?, self.session))
    }

    /// Does the handshake, until all of it is sent.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(cx))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if !ready!(self.poll_receive(cx))? {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Waits until there is plain text to read, or no more will come.
    pub(crate) fn poll_plaintext(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.session.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Also the end, whether the peer has announced it or not.
                Ok(_) | Err(_) => return Poll::Ready(Ok(())),
            }
            if !ready!(self.poll_receive(cx))? {
                return Poll::Ready(Ok(()));
            }
            if self.session.wants_write()
                && let Poll::Ready(Err(error)) = self.poll_send(cx)
            {
                return Poll::Ready(Err(error));
            }
        }
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_plaintext(cx))?;
        let mut reader = self.session.reader();
        while buf.remaining() > 0 {
            // An error here is the end, or the lack of more.
            let Ok(chunk) = reader.fill_buf() else { break };
            let len = chunk.len().min(buf.remaining());
            if len == 0 {
                break;
            }
            buf.put_slice(chunk.get(..len).unwrap_or_default());
            reader.consume(len);
        }
        Poll::Ready(Ok(()))
    }

    /// Like the write of a socket, with one difference: until it is ready, it must be called again with what begins with the
    /// same bytes. So they count as waiting as long as the socket has not taken them.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.taken == 0 {
            let chunk = buf.get(..buf.len().min(WRITE_MAX)).unwrap_or_default();
            self.taken = self.session.writer().write(chunk)?;
        }
        ready!(self.poll_send(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.taken)))
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session.send_close_notify();
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    /// Sends what the socket takes at once, past the event loop, which does not know a fresh socket to be writable.
    pub(crate) fn send_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.session.writer().write(bytes)?;
        self.send_rest_now()?;
        Ok(len)
    }

    /// Tells the peer that this is the end and no loss, as far as the socket takes that.
    pub(crate) fn say_goodbye(&mut self) {
        self.session.send_close_notify();
        let _ = self.send_rest_now();
    }

    fn send_rest_now(&mut self) -> io::Result<()> {
        let socket = SockRef::from(&self.tcp);
        while self.session.wants_write() {
            self.session.write_tls(&mut &*socket)?;
        }
        Ok(())
    }

    /// Sends what is encrypted.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Wire { tcp: &mut self.tcp, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Receives and decrypts once; false at the end of the connection. After an error the peer is told what was wrong, as
    /// far as the socket takes that.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let read = match self.session.read_tls(&mut Wire { tcp: &mut self.tcp, cx }) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            read => read?,
        };
        match self.session.process_new_packets() {
            Ok(_) => Poll::Ready(Ok(read > 0)),
            Err(error) => {
                // Who sends no TLS at all would not understand it.
                if !self.session.is_handshaking() || !matches!(error, Error::InvalidMessage(_)) {
                    let _ = self.send_rest_now();
                }
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
            }
        }
    }
}

/// The socket, as the TLS library wants it: what is not ready now is an error, and wakes the task later.
struct Wire<'w, 'c> {
    tcp: &'w mut TcpStream,
    cx: &'w mut Context<'c>,
}

fn unless_pending<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Read for Wire<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        unless_pending(Pin::new(&mut *self.tcp).poll_read(self.cx, &mut buf))?;
        Ok(buf.filled().len())
    }
}

impl Write for Wire<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        unless_pending(Pin::new(&mut *self.tcp).poll_write(self.cx, buf))
    }
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        unless_pending(Pin::new(&mut *self.tcp).poll_write_vectored(self.cx, bufs))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
