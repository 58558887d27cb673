//! Reading a file into the data set.

use super::save::delay;
use crate::config::{RdbVersionCheck, SanitizePayload};
use crate::scripting::Libraries;
use crate::server::Server;
use ochre_persist::rdb::{self, Crew, LoadError, LoadOptions, Loaded, Target, Watch};
use ochre_resp::encode_command;
use ochre_store::{Clock, Member};
use parking_lot::Mutex;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// So many keys without a value are named in the log.
const EMPTY_KEYS_NAMED: u64 = 10;

/// How far a file is loaded, for INFO.
#[derive(Default)]
pub struct LoadProgress {
    /// When it began, Unix seconds.
    pub started_s: AtomicI64,
    /// The size of the file.
    pub bytes: AtomicU64,
    /// What of it was read.
    pub bytes_read: AtomicU64,
    /// How much memory the server that wrote it has used, as the file says.
    pub memory: AtomicU64,
    /// Keys of the last file loaded.
    pub keys: AtomicU64,
    /// Keys of the last file that were passed over because they had expired.
    pub keys_expired: AtomicU64,
    /// The database that the stream is at which follows the file, as that says.
    pub stream_db: AtomicUsize,
    /// The name of the history of that stream, and the offset that it has there.
    pub history: Mutex<(Option<String>, Option<u64>)>,
    /// How the deletion of what has expired goes on with that stream.
    pub(crate) expired: Mutex<ExpiredStream>,
}

impl LoadProgress {
    pub(crate) fn begin(&self, bytes: u64) {
        self.started_s.store(crate::clock::unix_ms() / 1000, Relaxed);
        self.bytes.store(bytes, Relaxed);
        self.stream_db.store(0, Relaxed);
        *self.history.lock() = (None, None);
        *self.expired.lock() = ExpiredStream::default();
        for figure in [&self.bytes_read, &self.memory, &self.keys, &self.keys_expired] {
            figure.store(0, Relaxed);
        }
    }
}

/// Several threads that load what is read by this one, which is a member.
pub(crate) fn crew(member: &Member) -> Crew<'_> {
    Crew::new(member, Clock { now_ms: crate::clock::unix_ms() }, crate::process::crash::prepare_thread)
}

/// What is different from one occasion to another.
pub(crate) struct Loading<'l> {
    /// Whether keys that exist already are replaced, instead of being an error.
    pub(crate) merge: bool,
    /// Where what is loaded stands beside what is in use, until it takes its place: the libraries of functions. Keys go to the
    /// spares of their databases then.
    pub(crate) aside: Option<&'l Libraries>,
    /// Called from time to time with how many bytes were read; false stops.
    pub(crate) look: &'l mut dyn FnMut(u64) -> bool,
}

/// Why a file was not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLoaded {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// It cannot be opened.
    #[error("{0}")]
    Closed(io::Error),
    /// It is damaged, or does not fit.
    #[error(transparent)]
    Bad(#[from] LoadError),
}

/// Reads the file at `path` into `target`, and logs what came of it.
pub(crate) fn load<'l>(
    server: &'l Server,
    path: &Path,
    target: &mut dyn Target,
    loading: Loading<'l>,
) -> Result<Loaded, NotLoaded> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NotLoaded::Missing,
        _ => NotLoaded::Closed(error),
    })?;
    let bytes = file.metadata().map_err(NotLoaded::Closed)?.len();
    server.persistence.loading.begin(bytes);
    let source = BufReader::with_capacity(BUFFER_BYTES, file);
    // What has expired in a replica is deleted by its primary.
    let limit = (!server.follows()).then(crate::clock::unix_ms);
    Ok(load_from(server, source, bytes, target, loading, limit)?.0)
}

/// Reads a file of so many bytes into `target`, and logs what came of it; and the source, which stands behind its end. Keys
/// whose deadline lies before `drop_expired_before_ms` are passed over.
pub(crate) fn load_from<'l, R: BufRead>(
    server: &'l Server,
    source: R,
    bytes: u64,
    target: &mut dyn Target,
    loading: Loading<'l>,
    drop_expired_before_ms: Option<i64>,
) -> Result<(Loaded, R), LoadError> {
    let progress = &server.persistence.loading;
    let config = server.config().clone();
    let options = LoadOptions {
        verify: config.rdbchecksum,
        replace: loading.merge,
        into_spares: loading.aside.is_some(),
        drop_expired_before_ms,
        any_version: config.rdb_version_check == RdbVersionCheck::Relaxed,
    };
    let counts_checks = config.sanitize_dump_payload == SanitizePayload::Yes;
    drop(config);
    let mut observer = Observer { server, progress, loading, counts_checks, empty: 0 };
    let (loaded, source) = rdb::load(source, bytes, target, options, &mut observer)?;
    let Loaded { keys, expired, empty } = loaded;
    if empty > 0 {
        tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}, empty keys skipped: {empty}.");
    } else {
        tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired}.");
    }
    Ok((loaded, source))
}

/// Says in the log what is wrong, in words that tools look for.
pub(crate) fn report(path: &Path, error: &NotLoaded) {
    let path = path.display();
    match error {
        NotLoaded::Bad(LoadError::File(error)) if matches!(error.reason, rdb::Reason::Checksum) => {
            tracing::warn!("RDB CRC error: {path}: {error}");
        }
        NotLoaded::Bad(LoadError::File(error)) if matches!(error.reason, rdb::Reason::Version(_)) => {
            tracing::warn!("Can't handle RDB format version of {path}: {error}");
        }
        NotLoaded::Bad(LoadError::File(error)) if matches!(error.reason, rdb::Reason::Truncated) => {
            tracing::warn!("Short read loading DB: {path}: {error}");
        }
        _ => tracing::warn!("Internal error in RDB reading: {path}: {error}"),
    }
}

/// Deletions that a primary adds to the stream of a file, so that replicas of that history can go on with it.
#[derive(Default)]
pub(crate) struct ExpiredStream {
    /// The commands; nothing once they are longer than what is kept of the stream.
    pub(crate) bytes: Vec<u8>,
    /// How long they are.
    pub(crate) len: u64,
    /// The database that they end with.
    pub(crate) db: Option<usize>,
}

impl ExpiredStream {
    fn push(&mut self, db: usize, key: &[u8], lazily: bool, len_max: u64) {
        let was_whole = self.bytes.len() as u64 == self.len;
        let start = self.bytes.len();
        if self.db != Some(db) {
            encode_command(&mut self.bytes, &["SELECT", &db.to_string()]);
            self.db = Some(db);
        }
        let word: &[u8] = if lazily { b"UNLINK" } else { b"DEL" };
        encode_command(&mut self.bytes, &[word, key]);
        self.len += (self.bytes.len() - start) as u64;
        if !was_whole || self.len > len_max {
            self.bytes.clear();
        }
    }
}

struct Observer<'l> {
    server: &'l Server,
    progress: &'l LoadProgress,
    loading: Loading<'l>,
    /// `sanitize-dump-payload` asks for all to be checked.
    counts_checks: bool,
    empty: u64,
}

impl Watch for Observer<'_> {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        match name {
            b"redis-ver" | b"valkey-ver" => tracing::info!("Loading RDB produced by version {text}"),
            b"ctime" => {
                if let Ok(created_s) = text.parse::<i64>() {
                    let age_s = (crate::clock::unix_ms() / 1000).saturating_sub(created_s).max(0);
                    tracing::info!("RDB age {age_s} seconds");
                }
            }
            b"used-mem" => {
                if let Ok(bytes) = text.parse::<u64>() {
                    tracing::info!("RDB memory usage when created {:.2} Mb", bytes as f64 / f64::from(1 << 20));
                    self.progress.memory.store(bytes, Relaxed);
                }
            }
            b"repl-stream-db" => {
                if let Ok(db) = text.parse() {
                    self.progress.stream_db.store(db, Relaxed);
                }
            }
            b"repl-id" => self.progress.history.lock().0 = Some(text.into_owned()),
            b"repl-offset" => self.progress.history.lock().1 = text.parse().ok(),
            b"aof-base" if value == b"1" => tracing::info!("RDB is base AOF"),
            _ => tracing::debug!("{}: '{text}' is not known", String::from_utf8_lossy(name)),
        }
    }

    fn function(&mut self, code: Vec<u8>) -> Result<(), String> {
        let libraries = self.loading.aside.unwrap_or(&self.server.functions);
        libraries.load(&code, self.loading.merge).map(drop).map_err(|error| error.to_string())
    }

    fn checked(&mut self) {
        if self.counts_checks {
            self.server.stats.sanitizations.fetch_add(1, Relaxed);
        }
    }

    fn expired_key(&mut self, db: usize, key: &[u8]) {
        let mut expired = self.progress.expired.lock();
        let has_history = matches!(*self.progress.history.lock(), (Some(_), Some(_)));
        if has_history && !self.server.upstream.is_set() {
            let config = self.server.config();
            expired.push(db, key, config.lazyfree_lazy_expire, config.repl_backlog_size);
        }
    }

    fn empty_key(&mut self, key: &[u8]) {
        self.empty += 1;
        if self.empty <= EMPTY_KEYS_NAMED {
            tracing::info!("skipping empty key: {}", key.escape_ascii());
        }
    }

    fn progress(&mut self, offset: u64, loaded: &Loaded) -> bool {
        self.progress.bytes_read.store(offset, Relaxed);
        self.progress.keys.store(loaded.keys, Relaxed);
        self.progress.keys_expired.store(loaded.expired, Relaxed);
        delay(self.server.config().key_load_delay);
        (self.loading.look)(offset)
    }
}
