//! A blocking connection: requests out, replies in.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use ochre_resp::{ReplyDecoder, ReplyError, Value, encode_command};

use crate::endpoint::{Endpoint, Stream, plain_error};
use crate::security::Security;

/// Size of the read buffer.
const READ_LEN: usize = 16 * 1024;

/// Why a connection cannot be used any longer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The server has closed the connection.
    #[error("Server closed the connection")]
    Closed,
    /// Reading or writing failed.
    #[error("{}", plain_error(.0))]
    Io(#[from] io::Error),
    /// The server sent something that is not RESP.
    #[error("Protocol error, {0}")]
    Protocol(#[from] ReplyError),
}

impl From<ConnectionError> for io::Error {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Closed => Self::new(ErrorKind::UnexpectedEof, error.to_string()),
            ConnectionError::Protocol(_) => Self::new(ErrorKind::InvalidData, error.to_string()),
            ConnectionError::Io(error) => error,
        }
    }
}

/// A blocking connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    decoder: ReplyDecoder,
    buffer: Vec<u8>,
    /// What of `buffer` waits for the decoder lies from here ...
    start: usize,
    /// ... to here.
    end: usize,
}

impl Connection {
    /// Connects to `endpoint`, with TLS if there is `security`; `timeout` bounds each attempt (`None`: the system's own limit).
    ///
    /// # Errors
    /// When connecting fails.
    pub fn open(endpoint: &Endpoint, security: Option<&Security>, timeout: Option<Duration>) -> io::Result<Self> {
        let stream = endpoint.connect(security, timeout)?;
        Ok(Self { stream, decoder: ReplyDecoder::default(), buffer: vec![0; READ_LEN], start: 0, end: 0 })
    }

    /// The socket.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends one command.
    ///
    /// # Errors
    /// When writing fails.
    pub fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<(), ConnectionError> {
        let mut request = Vec::new();
        encode_command(&mut request, arguments);
        Ok(self.stream.write_all(&request)?)
    }

    /// Waits for the next reply or push message.
    ///
    /// # Errors
    /// When the connection ends or breaks.
    pub fn receive(&mut self) -> Result<Value, ConnectionError> {
        loop {
            while self.start < self.end {
                let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
                let (taken, value) = self.decoder.decode(unread)?;
                self.start += taken;
                if let Some(value) = value {
                    return Ok(value);
                }
            }
            self.start = 0;
            self.end = match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(ConnectionError::Closed),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(error) => return Err(error.into()),
            };
        }
    }

    /// Sends one command and waits for its reply; push messages that come before it are dropped.
    ///
    /// # Errors
    /// When the connection ends or breaks.
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Result<Value, ConnectionError> {
        self.send(arguments)?;
        loop {
            match self.receive()?.without_attributes() {
                Value::Push(_) => {}
                reply => return Ok(reply),
            }
        }
    }
}
