//! Connections to other servers that are kept for a while, since one MIGRATE seldom comes alone.

use super::wire::Wire;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Most connections that are kept.
const KEPT_MAX: usize = 64;
/// How long an unused one is kept.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Whom to talk to, and as whom. What was opened with a password serves nobody who has not given it.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// Port; nothing where what was given cannot be one.
    pub port: Option<u16>,
    /// Whether by TLS.
    pub tls: bool,
    /// User, where one is named, and password.
    pub login: Option<(Option<Vec<u8>>, Vec<u8>)>,
}

/// A connection that is not in use.
pub(super) struct Kept {
    pub(super) wire: Wire,
    /// The database that it is at, where that is known.
    pub(super) db: Option<i64>,
}

/// The connections that are not in use.
#[derive(Default)]
pub struct Sockets(Mutex<Vec<Entry>>);

struct Entry {
    address: Address,
    kept: Kept,
    used: Instant,
}

impl Sockets {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Closes those that were not used for a while.
    pub fn close_unused(&self) {
        let mut entries = self.0.lock();
        let closed: Vec<_> = entries.extract_if(.., |entry| entry.used.elapsed() > KEPT_FOR).collect();
        drop(entries);
        drop(closed);
    }
    /// Takes the connection to that address that was used last.
    pub(super) fn take(&self, address: &Address) -> Option<Kept> {
        let mut entries = self.0.lock();
        let at = entries.iter().rposition(|entry| entry.address == *address)?;
        Some(entries.remove(at).kept)
    }
    /// Keeps a connection. Where there are too many, the one that was used longest ago goes.
    pub(super) fn put(&self, address: Address, kept: Kept) {
        let mut entries = self.0.lock();
        let oldest = (entries.len() >= KEPT_MAX).then(|| entries.remove(0));
        entries.push(Entry { address, kept, used: Instant::now() });
        drop(entries);
        drop(oldest);
    }
}
