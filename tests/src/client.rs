//! A raw client: it sends bytes as given and reads replies of both protocol versions.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// How long a read may take before a test fails.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

/// One reply of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `+text`
    Simple(String),
    /// `-text`, with its code
    Error(String),
    /// `:n`
    Integer(i64),
    /// `$n`, verbatim strings included, with their type prefix
    Bulk(Vec<u8>),
    /// The null of either version
    Null,
    /// `#t` or `#f`
    Boolean(bool),
    /// `,1.5`, as its text
    Double(String),
    /// `(123`, as its text
    BigNumber(String),
    /// `*n`, sets (`~n`) and pushes (`>n`)
    Array(Vec<Reply>),
    /// `%n`
    Map(Vec<(Reply, Reply)>),
}

impl Reply {
    /// A bulk string.
    pub fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.as_bytes().to_vec())
    }

    /// `+OK`
    pub fn ok() -> Reply {
        Reply::Simple("OK".to_owned())
    }

    /// The text of a simple or bulk string; errs for any other reply.
    pub fn text(&self) -> Result<String> {
        match self {
            Reply::Simple(text) => Ok(text.clone()),
            Reply::Bulk(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            other => bail!("not a string: {other:?}"),
        }
    }
}

/// A connection on which every byte is under the test's control.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    /// The TLS session over the stream, if there is one.
    session: Option<Box<ClientConnection>>,
    /// Bytes received and not yet read as a reply.
    pending: Vec<u8>,
}

impl Client {
    /// Connects to a server; a read that takes over 20 seconds is an error.
    pub fn connect(address: SocketAddr) -> Result<Client> {
        Client::of(TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?)
    }

    /// A client on a connection that exists already.
    pub fn of(stream: TcpStream) -> Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Client { stream, session: None, pending: Vec::new() })
    }

    /// The same with TLS. The handshake of TLS 1.3 is over for the client before the server has looked at its certificate:
    /// a refusal may show at the first read only.
    pub fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Client> {
        let mut client = Client::connect(address)?;
        let mut session = ClientConnection::new(config.clone(), ServerName::IpAddress(address.ip().into()))?;
        while session.is_handshaking() {
            session.complete_io(&mut client.stream).context("the handshake has failed")?;
        }
        client.session = Some(Box::new(session));
        Ok(client)
    }

    /// The TLS session.
    pub fn session(&self) -> Option<&ClientConnection> {
        self.session.as_deref()
    }

    /// Changes a directive; errs with the server's refusal.
    pub fn set_config(&mut self, name: &str, value: &str) -> Result<()> {
        match self.command(&["CONFIG", "SET", name, value])? {
            Reply::Simple(_) => Ok(()),
            other => bail!("CONFIG SET {name} {value}: {other:?}"),
        }
    }

    /// The connection below, to set options on.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.session {
            Some(session) => rustls::Stream::new(&mut **session, &mut self.stream).write_all(bytes),
            None => self.stream.write_all(bytes),
        }
        .context("cannot send")
    }

    /// Sends one command as an array of bulk strings and reads its reply.
    pub fn command(&mut self, words: &[&str]) -> Result<Reply> {
        self.send(&encode(words))?;
        self.read_reply().with_context(|| format!("no reply to {words:?}"))
    }

    /// Sends the words of a line as one command; errs with the server's refusal.
    pub fn line(&mut self, line: &str) -> Result<Reply> {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = self.command(&words)?;
        ensure!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        Ok(reply)
    }

    /// A field of INFO.
    pub fn info(&mut self, field: &str) -> Result<String> {
        let text = self.command(&["INFO", "everything"])?.text()?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("INFO has no {field}"))?.to_owned())
    }

    /// Becomes a replica and returns the snapshot, which has to be announced with its length (not diskless). What is
    /// propagated comes as commands then.
    pub fn synchronize(&mut self) -> Result<Vec<u8>> {
        self.send(b"SYNC\r\n")?;
        let mut header = Vec::new();
        while header.is_empty() {
            header = self.read_until(b"\n")?;
            header.retain(|byte| !b"\r\n".contains(byte));
        }
        let bytes = std::str::from_utf8(&header)?.strip_prefix('$').context("no snapshot")?.parse()?;
        self.read_exact(bytes)
    }

    /// Reads exactly `count` bytes.
    pub fn read_exact(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.pending.len() < count {
            self.fill()?;
        }
        Ok(self.pending.drain(..count).collect())
    }

    /// Reads up to and including `end`.
    pub fn read_until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        loop {
            if let Some(at) = self.pending.windows(end.len()).position(|window| window == end) {
                return Ok(self.pending.drain(..at + end.len()).collect());
            }
            self.fill()?;
        }
    }

    /// Reads one reply.
    pub fn read_reply(&mut self) -> Result<Reply> {
        let line = self.read_until(b"\r\n")?;
        let Some((&kind, text)) = line.split_first() else { bail!("an empty reply") };
        let text = String::from_utf8_lossy(text).trim_end().to_owned();
        let count = || text.parse::<i64>().with_context(|| format!("not a length: {text:?}"));
        Ok(match kind {
            b'+' => Reply::Simple(text),
            b'-' => Reply::Error(text),
            b':' => Reply::Integer(count()?),
            b',' => Reply::Double(text),
            b'(' => Reply::BigNumber(text),
            b'#' => Reply::Boolean(text == "t"),
            b'_' => Reply::Null,
            b'$' | b'=' | b'!' => match usize::try_from(count()?) {
                Err(_) => Reply::Null,
                Ok(length) => {
                    let mut bytes = self.read_exact(length + 2)?;
                    bytes.truncate(length);
                    if kind == b'!' {
                        Reply::Error(String::from_utf8_lossy(&bytes).into_owned())
                    } else {
                        Reply::Bulk(bytes)
                    }
                }
            },
            b'*' | b'~' | b'>' => match usize::try_from(count()?) {
                Err(_) => Reply::Null,
                Ok(length) => Reply::Array((0..length).map(|_| self.read_reply()).collect::<Result<_>>()?),
            },
            b'%' => {
                let pairs = usize::try_from(count()?)?;
                Reply::Map((0..pairs).map(|_| Ok((self.read_reply()?, self.read_reply()?))).collect::<Result<_>>()?)
            }
            other => bail!("unknown reply type {:?} in {text:?}", char::from(other)),
        })
    }

    /// Reads until the server closes the connection and returns what came before that. Errs when it does not close
    /// within `patience`.
    pub fn read_to_close(&mut self, patience: Duration) -> Result<Vec<u8>> {
        self.stream.set_read_timeout(Some(patience))?;
        let mut rest = std::mem::take(&mut self.pending);
        let outcome = match &mut self.session {
            Some(session) => rustls::Stream::new(&mut **session, &mut self.stream).read_to_end(&mut rest),
            None => self.stream.read_to_end(&mut rest),
        };
        match outcome {
            Ok(_) => Ok(rest),
            Err(error) if closed(error.kind()) => Ok(rest),
            Err(error) => Err(error).context("the server did not close the connection"),
        }
    }

    fn fill(&mut self) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        let count = match &mut self.session {
            Some(session) => rustls::Stream::new(&mut **session, &mut self.stream).read(&mut chunk),
            None => self.stream.read(&mut chunk),
        }
        .context("cannot receive")?;
        if count == 0 {
            bail!("the server closed the connection");
        }
        self.pending.extend_from_slice(&chunk[..count]);
        Ok(())
    }
}

/// One command as an array of bulk strings.
fn encode(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    out
}

/// Whether an error says that the other side has closed.
fn closed(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}
