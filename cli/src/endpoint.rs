//! Where a server listens, and a blocking connection to it.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ochre_tls::rustls::{ClientConnection, StreamOwned};
use socket2::{SockRef, TcpKeepalive};

use crate::security::Security;

/// Where a server listens. Displayed as in error messages: `host:port` or the socket's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// Path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Endpoint {
    /// The addresses behind a TCP endpoint, in the resolver's order; empty for a Unix socket.
    ///
    /// # Errors
    /// When the name cannot be resolved.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Tcp(host, port) => Ok((host.as_str(), *port).to_socket_addrs()?.collect()),
            Self::Unix(_) => Ok(Vec::new()),
        }
    }

    /// Connects, trying each address in turn. `timeout` bounds each attempt over TCP (`None`: the system's own). Over TCP
    /// there is a TLS handshake if there is `security`; a Unix socket needs none.
    ///
    /// # Errors
    /// The last attempt's error.
    pub fn connect(&self, security: Option<&Security>, timeout: Option<Duration>) -> io::Result<Stream> {
        let host = match self {
            Self::Unix(path) => return UnixStream::connect(path).map(Stream::Unix),
            Self::Tcp(host, _) => host,
        };
        let mut tcp = self.connect_tcp(timeout)?;
        let Some(security) = security else { return Ok(Stream::Tcp(tcp)) };
        tcp.set_read_timeout(timeout)?;
        let session = security.handshake(host, &mut tcp)?;
        tcp.set_read_timeout(None)?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(session, tcp))))
    }

    fn connect_tcp(&self, timeout: Option<Duration>) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
        for address in self.addresses()? {
            let attempt = match timeout {
                Some(limit) => TcpStream::connect_timeout(&address, limit),
                None => TcpStream::connect(address),
            };
            match attempt {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The text of an I/O error without what Rust puts around it, as C programs print it.
#[must_use]
pub fn plain_error(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    match text.find(" (os error ") {
        Some(end) => text.get(..end).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

/// A connected socket of any kind.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix domain.
    Unix(UnixStream),
    /// TLS over TCP.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Lets the system probe the peer after `interval` of silence, and again each `interval`. Unix sockets need none.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_keepalive(&self, interval: Duration) -> io::Result<()> {
        let tcp = match self {
            Self::Tcp(stream) => stream,
            Self::Tls(stream) => stream.get_ref(),
            Self::Unix(_) => return Ok(()),
        };
        let keepalive = TcpKeepalive::new().with_time(interval).with_interval(interval / 3);
        SockRef::from(tcp).set_tcp_keepalive(&keepalive)
    }

    /// Another handle of the same socket; of a TLS connection, only good for ending it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tls(stream) => stream.get_ref().try_clone().map(Self::Tcp),
        }
    }

    /// Ends the connection for all its handles; a read that waits returns.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
            Self::Tls(stream) => stream.get_ref().shutdown(how),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buf),
            Self::Unix(stream) => stream.read(buf),
            // Servers that just close the connection are many.
            Self::Tls(stream) => stream.read(buf).or_else(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Ok(0),
                _ => Err(error),
            }),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buf),
            Self::Unix(stream) => stream.write(buf),
            Self::Tls(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
