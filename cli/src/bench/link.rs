//! One connection of the generator.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use ochre_resp::{ReplyDecoder, ReplySkipper, Value};

use crate::bench::error::BenchError;
use crate::bench::secure_socket::SecureSocket;
use crate::endpoint::{Endpoint, Stream};
use crate::security::Security;

/// Opens connections to one server and gives each the same first commands.
#[derive(Debug, Clone)]
pub struct Connector {
    endpoint: Endpoint,
    security: Option<Security>,
    /// The address that worked, so that reconnecting need not resolve the name again.
    address: Option<SocketAddr>,
    prefix: Vec<u8>,
    prefix_replies: usize,
}

impl Connector {
    /// For connections to `endpoint`, with TLS if there is `security`, that first send the `prefix_replies` encoded commands in `prefix`.
    #[must_use]
    pub fn new(endpoint: Endpoint, security: Option<Security>, prefix: Vec<u8>, prefix_replies: usize) -> Self {
        Self { endpoint, security, address: None, prefix, prefix_replies }
    }

    /// Connects and waits until that is done.
    ///
    /// # Errors
    /// [`BenchError::Connect`], or [`BenchError::Io`] when the socket's options cannot be set.
    pub fn open(&mut self) -> Result<Link, BenchError> {
        let connected = self.endpoint.connect(self.security.as_ref(), None).map_err(|source| self.failed(source))?;
        let socket = match connected {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                self.address = stream.peer_addr().ok();
                Socket::Tcp(TcpStream::from_std(stream))
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Socket::Unix(UnixStream::from_std(stream))
            }
            Stream::Tls(stream) => {
                let (session, stream) = stream.into_parts();
                stream.set_nonblocking(true)?;
                self.address = stream.peer_addr().ok();
                Socket::Tls(Box::new(SecureSocket::new(TcpStream::from_std(stream), session)))
            }
        };
        Ok(self.link(socket, false))
    }

    /// Begins to connect; the link can take requests at once and sends them when it is connected.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn start(&self) -> Result<Link, BenchError> {
        let socket = match (&self.endpoint, self.address) {
            (Endpoint::Unix(path), _) => UnixStream::connect(path).map(Socket::Unix),
            (Endpoint::Tcp(host, _), Some(address)) => TcpStream::connect(address).and_then(|tcp| {
                let Some(security) = &self.security else { return Ok(Socket::Tcp(tcp)) };
                Ok(Socket::Tls(Box::new(SecureSocket::new(tcp, security.session(host)?))))
            }),
            (Endpoint::Tcp(..), None) => return self.clone().open(),
        };
        Ok(self.link(socket.map_err(|source| self.failed(source))?, true))
    }

    fn link(&self, socket: Socket, connecting: bool) -> Link {
        Link {
            socket,
            connecting,
            endpoint: self.endpoint.clone(),
            skipper: ReplySkipper::new(),
            unsent: self.prefix.clone(),
            sent: 0,
            prefix_pending: self.prefix_replies,
            pending: 0,
            since: Instant::now(),
        }
    }

    fn failed(&self, source: io::Error) -> BenchError {
        BenchError::Connect { endpoint: self.endpoint.clone(), source }
    }
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<SecureSocket>),
}

impl Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Sends what was written but not sent.
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
            Self::Tls(stream) => stream.tcp(),
        }
    }

    fn connect_error(&mut self) -> io::Result<()> {
        let tcp_error = |stream: &TcpStream| {
            let pending = stream.take_error()?;
            if pending.is_none() {
                stream.set_nodelay(true)?;
            }
            io::Result::Ok(pending)
        };
        let pending = match self {
            Self::Tcp(stream) => tcp_error(stream)?,
            Self::Tls(stream) => tcp_error(stream.tcp())?,
            Self::Unix(stream) => stream.take_error()?,
        };
        pending.map_or(Ok(()), Err)
    }
}

/// One connection: what is left to send, and what is left to be answered.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    connecting: bool,
    endpoint: Endpoint,
    skipper: ReplySkipper,
    unsent: Vec<u8>,
    sent: usize,
    prefix_pending: usize,
    pending: usize,
    since: Instant,
}

impl Link {
    /// Registers the socket for reading and writing under `token`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.socket.source(), token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Sends `bytes`, which hold `requests` requests, as far as the socket takes them; the rest waits for
    /// [`Self::flush`]. Their latency counts from `since`.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send(&mut self, bytes: &[u8], requests: usize, since: Instant) -> Result<(), BenchError> {
        self.pending = requests;
        self.since = since;
        if self.connecting || !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return self.flush();
        }
        let written = self.write(bytes)?;
        self.unsent.extend_from_slice(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    /// Sends what is left over.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn flush(&mut self) -> Result<(), BenchError> {
        if self.connecting {
            return Ok(());
        }
        self.socket.flush()?;
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let rest = unsent.get(self.sent..).unwrap_or_default();
        self.sent += self.write(rest)?;
        if self.sent < unsent.len() {
            self.unsent = unsent;
        } else {
            self.sent = 0;
        }
        Ok(())
    }

    /// To be called when the socket is writable: whether that ends the connecting.
    ///
    /// # Errors
    /// When connecting has failed.
    pub fn finish_connecting(&mut self) -> Result<bool, BenchError> {
        if !self.connecting {
            return Ok(false);
        }
        let failed = |source| BenchError::Connect { endpoint: self.endpoint.clone(), source };
        self.socket.connect_error().map_err(failed)?;
        self.connecting = false;
        Ok(true)
    }

    /// Reads once; `None` when there is nothing to read now.
    ///
    /// # Errors
    /// When the connection is broken, or the server has closed it.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BenchError> {
        loop {
            return match self.socket.read(buffer) {
                Ok(0) => Err(BenchError::Closed),
                Ok(len) => Ok(Some(len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    /// Counts the replies to requests that `bytes` complete.
    ///
    /// # Errors
    /// When one of them is an error, or the bytes are no RESP.
    pub fn count_replies(&mut self, bytes: &[u8]) -> Result<u64, BenchError> {
        let was_idle = self.skipper.is_idle();
        let counts = self.skipper.skip(bytes).map_err(|error| BenchError::Protocol(error.to_string()))?;
        if counts.errors > 0 {
            return Err(BenchError::Reply(first_error(bytes, was_idle)));
        }
        let replies = usize::try_from(counts.replies).unwrap_or(usize::MAX);
        let to_prefix = replies.min(self.prefix_pending);
        self.prefix_pending -= to_prefix;
        let to_requests = (replies - to_prefix).min(self.pending);
        self.pending -= to_requests;
        Ok(to_requests as u64)
    }

    /// Whether every request sent is answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.pending == 0
    }

    /// When the latency of the requests under way began.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Lets the latency of the requests under way begin at `since`.
    pub fn set_since(&mut self, since: Instant) {
        self.since = since;
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, BenchError> {
        loop {
            return match self.socket.write(bytes) {
                Ok(len) => Ok(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error.into()),
            };
        }
    }
}

/// The text of the first error reply in `bytes`, which begin between two replies if `at_boundary`. Otherwise the
/// first line that looks like an error is taken: the run ends with it, and this is only what the user is told.
fn first_error(bytes: &[u8], at_boundary: bool) -> String {
    if at_boundary {
        let mut decoder = ReplyDecoder::default();
        let mut rest = bytes;
        while let Ok((taken, Some(value))) = decoder.decode(rest) {
            if let Value::Error(text) = value.without_attributes() {
                return String::from_utf8_lossy(&text).into_owned();
            }
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let line = lines.find(|line| line.starts_with(b"-")).unwrap_or(b"-(the text came in pieces)");
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(text.get(1..).unwrap_or_default()).into_owned()
}
