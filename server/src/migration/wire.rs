//! A connection to another server, with a limit to the time that each step takes.

use crate::server::Server;
use ochre_tls::rustls::{ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Bytes that are sent within one limit of time.
const CHUNK_LEN: usize = 64 * 1024;
/// Bytes of the longest answer that is taken.
const LINE_MAX: usize = 64 * 1024;

/// A connected socket, encrypted or not, and what was read of it.
pub(super) struct Wire {
    socket: Socket,
    buffer: Vec<u8>,
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    /// Connects to the first address of `host` that accepts, by TLS if so said.
    pub(super) fn connect(server: &Server, host: &str, port: u16, tls: bool, limit: Duration) -> io::Result<Wire> {
        let until = Instant::now() + limit;
        let mut last = io::Error::from(ErrorKind::NotFound);
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, remaining(until)?) {
                Ok(stream) => return Wire::over(server, stream, host, tls, until),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn over(server: &Server, stream: TcpStream, host: &str, tls: bool, until: Instant) -> io::Result<Wire> {
        // A socket that refuses it is slower, and serves all the same.
        let _ = stream.set_nodelay(true);
        if !tls {
            return Ok(Wire { socket: Socket::Plain(stream), buffer: Vec::new() });
        }
        let config = server.tls.client_config().ok_or_else(|| io::Error::other("TLS is not configured"))?;
        let session = ClientConnection::new(config, ochre_tls::server_name(host)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            limit(&stream.sock, until)?;
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Wire { socket: Socket::Tls(Box::new(stream)), buffer: Vec::new() })
    }

    /// Sends all of it, a chunk within `patience` each.
    pub(super) fn send(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK_LEN) {
            let until = Instant::now() + patience;
            let mut rest = chunk;
            while !rest.is_empty() {
                limit(self.tcp(), until)?;
                let sent = match &mut self.socket {
                    Socket::Plain(stream) => stream.write(rest),
                    Socket::Tls(stream) => stream.write(rest).and_then(|sent| stream.flush().map(|()| sent)),
                };
                match sent {
                    Ok(0) => return Err(ErrorKind::WriteZero.into()),
                    Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Reads a line within `patience`, without its end.
    pub(super) fn line(&mut self, patience: Duration) -> io::Result<Vec<u8>> {
        let until = Instant::now() + patience;
        let mut seen = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', self.buffer.get(seen..).unwrap_or_default()) {
                let mut line: Vec<u8> = self.buffer.drain(..=seen + at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            seen = self.buffer.len();
            if seen > LINE_MAX {
                return Err(io::Error::new(ErrorKind::InvalidData, "a line is too long"));
            }
            limit(self.tcp(), until)?;
            let mut piece = [0; 4096];
            let read = match &mut self.socket {
                Socket::Plain(stream) => stream.read(&mut piece),
                Socket::Tls(stream) => stream.read(&mut piece),
            };
            match read {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.buffer.extend_from_slice(piece.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn tcp(&self) -> &TcpStream {
        match &self.socket {
            Socket::Plain(stream) => stream,
            Socket::Tls(stream) => &stream.sock,
        }
    }
}

/// Whether it was the time that was over.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    // A socket whose limit is over says that it would block.
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

/// Has the next step on the socket end by then.
fn limit(socket: &TcpStream, until: Instant) -> io::Result<()> {
    let remaining = Some(remaining(until)?);
    socket.set_read_timeout(remaining)?;
    socket.set_write_timeout(remaining)
}

fn remaining(until: Instant) -> io::Result<Duration> {
    match until.checked_duration_since(Instant::now()) {
        Some(remaining) if !remaining.is_zero() => Ok(remaining),
        _ => Err(ErrorKind::TimedOut.into()),
    }
}
