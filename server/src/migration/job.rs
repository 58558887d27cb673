//! What is sent to the other server, and what it says.

use super::sockets::{Address, Kept};
use super::wire::{Wire, is_timeout};
use crate::clock::unix_ms;
use crate::server::Server;
use ochre_resp::encode_command;
use std::io;
use std::time::Duration;

/// Bytes of commands that are gathered before they are sent.
const GATHERED_LEN: usize = 64 * 1024;

/// A key to be sent, with its value as it was.
pub struct Item {
    /// The argument that is the key.
    pub argument: usize,
    /// The key.
    pub key: Vec<u8>,
    /// When it expires, in Unix milliseconds.
    pub deadline_ms: Option<i64>,
    /// Its value, as DUMP gives it.
    pub payload: Vec<u8>,
}

/// Keys to be sent.
pub struct Job {
    /// Where to.
    pub address: Address,
    /// Its database there.
    pub db: i64,
    /// How long each step may take.
    pub patience: Duration,
    /// Whether keys that exist there are overwritten.
    pub replace: bool,
    /// The keys.
    pub items: Vec<Item>,
    /// The command that restores one there.
    pub restore: &'static str,
    /// Whether the keys are pinned, to be removed once they have arrived.
    pub holds: bool,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither values nor passwords.
        write!(out, "Job({} keys)", self.items.len())
    }
}

/// Why not all was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no connection.
    Connecting,
    /// It failed, or took too long.
    Writing,
    /// Likewise, while answers were read.
    Reading,
    /// The other server has answered with this error, without its mark.
    Target(Vec<u8>),
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// The arguments that were keys at first.
    pub keys: Vec<usize>,
    /// Those of them that have arrived.
    pub arrived: Vec<usize>,
    /// Why not all have, if so; the first reason.
    pub failure: Option<Failure>,
    /// See [`Job::holds`].
    pub holds: bool,
}

/// How one attempt ended.
struct Attempt {
    failure: Option<Failure>,
    /// Nothing was executed, as far as is known, and there was time left: a connection that was kept may just have been old.
    may_retry: bool,
}

impl Job {
    /// The arguments that are its keys.
    pub fn keys(&self) -> Vec<usize> {
        self.items.iter().map(|item| item.argument).collect()
    }

    /// Sends the keys. To be called where waiting harms nobody.
    pub fn run(self, server: &Server) -> Outcome {
        let mut outcome = Outcome { keys: self.keys(), holds: self.holds, ..Outcome::default() };
        for is_last in [false, true] {
            let attempt = self.attempt(server, &mut outcome.arrived);
            outcome.failure = attempt.failure;
            if is_last || !attempt.may_retry {
                break;
            }
        }
        outcome
    }

    fn attempt(&self, server: &Server, arrived: &mut Vec<usize>) -> Attempt {
        let failed = |failure, error: &io::Error| Attempt { failure: Some(failure), may_retry: !is_timeout(error) };
        let mut kept = match server.migrations.sockets.take(&self.address) {
            Some(kept) => kept,
            None => match self.connect(server) {
                Ok(wire) => Kept { wire, db: None },
                Err(_) => return Attempt { failure: Some(Failure::Connecting), may_retry: false },
            },
        };
        let selects = kept.db != Some(self.db);
        let sent = match self.send(&mut kept.wire, selects) {
            Ok(sent) => sent,
            Err(error) => return failed(Failure::Writing, &error),
        };
        let mut refusal = None;
        for _ in 0..usize::from(self.address.login.is_some()) + usize::from(selects) {
            match kept.wire.line(self.patience) {
                Ok(line) => refusal = refusal.or(error_of(&line)),
                Err(error) => return failed(Failure::Reading, &error),
            }
        }
        // Once the login or the database was refused, a key has not arrived where it was to go.
        let is_lost = refusal.is_some();
        for (number, argument) in sent.iter().enumerate() {
            match kept.wire.line(self.patience) {
                Ok(line) => match error_of(&line) {
                    Some(error) => refusal = refusal.or(Some(error)),
                    None if is_lost => {}
                    None => arrived.push(*argument),
                },
                Err(error) => {
                    let failure = refusal.map_or(Failure::Reading, Failure::Target);
                    let may_retry = number == 0 && failure == Failure::Reading && !is_timeout(&error);
                    return Attempt { failure: Some(failure), may_retry };
                }
            }
        }
        kept.db = refusal.is_none().then_some(self.db);
        server.migrations.sockets.put(self.address.clone(), kept);
        Attempt { failure: refusal.map(Failure::Target), may_retry: false }
    }

    fn connect(&self, server: &Server) -> io::Result<Wire> {
        let Address { host, port, tls, .. } = &self.address;
        let port = port.ok_or(io::ErrorKind::InvalidInput)?;
        let wire = Wire::connect(server, host, port, *tls, self.patience);
        wire.inspect_err(|error| tracing::debug!(host, port, %error, "MIGRATE: no connection"))
    }

    /// Sends the commands; the arguments of the keys among them, for some may have expired by now.
    fn send(&self, wire: &mut Wire, selects: bool) -> io::Result<Vec<usize>> {
        let mut out = Vec::new();
        if let Some((user, password)) = &self.address.login {
            match user {
                Some(user) => encode_command(&mut out, &[b"AUTH", user.as_slice(), password]),
                None => encode_command(&mut out, &[b"AUTH", password.as_slice()]),
            }
        }
        if selects {
            encode_command(&mut out, &["SELECT", &self.db.to_string()]);
        }
        let mut sent = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let ttl_ms = match item.deadline_ms {
                None => 0,
                Some(deadline_ms) => match deadline_ms.saturating_sub(unix_ms()) {
                    ..0 => continue,
                    // 0 would be none.
                    ttl_ms => ttl_ms.max(1),
                },
            };
            let ttl_ms = ttl_ms.to_string();
            let command = [self.restore.as_bytes(), &item.key, ttl_ms.as_bytes(), &item.payload, b"REPLACE"];
            encode_command(&mut out, command.get(..4 + usize::from(self.replace)).unwrap_or_default());
            sent.push(item.argument);
            if out.len() >= GATHERED_LEN {
                wire.send(&out, self.patience)?;
                out.clear();
                out.shrink_to(GATHERED_LEN);
            }
        }
        wire.send(&out, self.patience)?;
        Ok(sent)
    }
}

/// The text of an answer that is an error.
fn error_of(line: &[u8]) -> Option<Vec<u8>> {
    line.strip_prefix(b"-").map(<[u8]>::to_vec)
}
