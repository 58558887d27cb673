//! Reading the files when the process begins, and for DEBUG LOADAOF.

use super::read_ahead::read_ahead;
use super::replay::Replay;
use super::state::{Mode, Sync, report};
use crate::persistence::load::{Loading, load_from};
use crate::server::Server;
use ochre_persist::aof::{AofFiles, Part, ReadError, Reader};
use ochre_persist::rdb::{LoadError, Target};
use ochre_store::keyspace::{self, FreeMode};
use ochre_store::sync::ShardSet;
use ochre_store::{Access, Expired, Txn};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// What a file in the format of RDB begins with.
const RDB_BEGIN: &[u8] = b"REDIS";

/// Why the files were not loaded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Whoever watches has had enough.
    Stopped,
    /// It was logged.
    Bad,
}

/// Reads all the files into `target`. `look` is called from time to time with how many bytes were read; false stops. Whether
/// there was anything to read.
fn load(
    server: &Server,
    files: &mut AofFiles,
    target: &mut dyn Target,
    look: &mut dyn FnMut(u64) -> bool,
) -> Result<bool, Failure> {
    let name = server.config().appendfilename.clone();
    match files.adopt(Path::new(&name)) {
        Ok(true) => {
            let folder = files.folder().display();
            tracing::info!("Successfully migrated an old-style AOF file ({name}) into the AOF directory ({folder}).");
        }
        Ok(false) => {}
        Err(error) => {
            report(&error);
            return Err(Failure::Bad);
        }
    }
    let parts = files.parts();
    let mut sizes = Vec::new();
    for part in &parts {
        sizes.push(files.len_of(&part.name).map_err(|error| {
            tracing::warn!("Unable to obtain the AOF file {} length. stat: {error}", part.name);
            Failure::Bad
        })?);
    }
    let total = sizes.iter().sum();
    server.aof.figures.current_size.store(total, Relaxed);
    let base = parts.first().filter(|part| part.is_base).and(sizes.first());
    server.aof.figures.base_size.store(base.copied().unwrap_or(0), Relaxed);
    if total == 0 {
        return Ok(false);
    }
    server.persistence.loading.begin(total);
    let mut loader = Loader { server, files, target, look, before: 0 };
    for (index, (part, size)) in parts.iter().zip(sizes).enumerate() {
        let (started, is_last) = (Instant::now(), index + 1 == parts.len());
        if size > 0 {
            loader.part(part, size, is_last)?;
        }
        loader.before += size;
        let kind = if part.is_base { "base" } else { "incr" };
        tracing::info!("DB loaded from {kind} file {}: {:.3} seconds", part.name, started.elapsed().as_secs_f64());
    }
    Ok(true)
}

/// Reads the manifest, when the process begins, whether or not the files are to be read. Whether that went well; otherwise it
/// was logged.
pub(crate) fn read_manifest(server: &Server) -> bool {
    let read = server.aof.open.lock().files.read_manifest();
    read.inspect_err(report).is_ok()
}

/// Reads all the files into `target`, when the process begins; as [`load`].
pub(crate) fn load_first(
    server: &Server,
    target: &mut dyn Target,
    look: &mut dyn FnMut(u64) -> bool,
) -> Result<bool, Failure> {
    load(server, &mut server.aof.open.lock().files, target, look)
}

/// DEBUG LOADAOF: what the files hold in place of what the store does; `txn` holds all shards. Whether that went well; if not,
/// the process had better end.
pub(crate) fn reload(server: &Server, txn: &mut Txn<'_>) -> bool {
    empty(server, txn) && read_again(server, txn, &mut |_| true).is_ok()
}

/// The first half of it: the store is emptied, and from then on there is to be read what was in it.
pub(crate) fn empty(server: &Server, txn: &mut Txn<'_>) -> bool {
    if server.aof.mode() == Mode::On {
        server.aof.flush(server, &mut server.aof.open.lock(), Sync::Now);
    }
    server.functions.flush();
    let flushed = keyspace::flush_all(txn, FreeMode::Later);
    flushed.inspect_err(|error| tracing::warn!(%error, "the shards are not locked")).is_ok()
}

/// The second half.
pub(crate) fn read_again(
    server: &Server,
    target: &mut dyn Target,
    look: &mut dyn FnMut(u64) -> bool,
) -> Result<(), Failure> {
    let mut open = server.aof.open.lock();
    open.files.read_manifest().inspect_err(report).map_err(|_| Failure::Bad)?;
    super::rewrite::remove_history(server, &mut open.files);
    load(server, &mut open.files, target, look).map(drop)
}

struct Loader<'l> {
    server: &'l Server,
    files: &'l AofFiles,
    target: &'l mut dyn Target,
    look: &'l mut dyn FnMut(u64) -> bool,
    /// Bytes of the files that were read before.
    before: u64,
}

/// How a file ended.
enum End {
    /// With a whole command.
    Whole,
    /// Within a command or a transaction: up to here it is whole.
    Torn {
        valid_len: u64,
    },
    /// It cannot be read, as was logged.
    Bad,
    Stopped,
}

impl Loader<'_> {
    fn part(&mut self, part: &Part, size: u64, is_last: bool) -> Result<(), Failure> {
        let name = &part.name;
        let opened = File::open(&part.path).and_then(|mut file| {
            let mut begin = Vec::new();
            file.by_ref().take(RDB_BEGIN.len() as u64).read_to_end(&mut begin)?;
            file.seek(SeekFrom::Start(0))?;
            Ok((BufReader::with_capacity(BUFFER_BYTES, file), begin == RDB_BEGIN))
        });
        let (source, is_rdb) = opened.map_err(|error| {
            tracing::warn!("Fatal error: can't open the append log file {name} for reading: {error}");
            Failure::Bad
        })?;
        let (source, offset) = if is_rdb { self.snapshot(name, source, size)? } else { (source, 0) };
        let valid_len = match self.commands(name, source, offset) {
            End::Whole => return Ok(()),
            End::Stopped => return Err(Failure::Stopped),
            End::Bad => return Err(Failure::Bad),
            End::Torn { valid_len } => valid_len,
        };
        if self.server.config().aof_load_truncated {
            tracing::warn!("!!! Warning: short read while loading the AOF file {name}!!!");
            if !is_last {
                tracing::warn!("Fatal error: the truncated file is not the last file");
                return Err(Failure::Bad);
            }
            tracing::warn!("!!! Truncating the AOF {name} at offset {valid_len} !!!");
            match self.files.truncate(name, valid_len) {
                Ok(()) => {
                    tracing::warn!("AOF {name} loaded anyway because aof-load-truncated is enabled");
                    let lost = size.saturating_sub(valid_len);
                    self.server.aof.figures.current_size.fetch_sub(lost, Relaxed);
                    return Ok(());
                }
                Err(error) => tracing::warn!("Error truncating the AOF file {name}: {error}"),
            }
        }
        tracing::warn!(
            "Unexpected end of file reading the append only file {name}. You can: 1) Make a backup of your AOF file, then use \
             ./redis-check-aof --fix <filename.manifest>. 2) Alternatively you can set the 'aof-load-truncated' configuration \
             option to yes and restart the server."
        );
        Err(Failure::Bad)
    }

    /// Reads the snapshot that a file begins with.
    fn snapshot(&mut self, name: &str, source: BufReader<File>, size: u64) -> Result<(BufReader<File>, u64), Failure> {
        let is_old = name == self.server.config().appendfilename;
        if is_old {
            tracing::info!("Reading RDB preamble from AOF file...");
        } else {
            tracing::info!("Reading RDB base file on AOF loading...");
        }
        let (before, look) = (self.before, &mut *self.look);
        let mut look = |offset| look(before + offset);
        let loading = Loading { merge: false, aside: None, look: &mut look };
        // The commands that follow delete what has expired.
        let loaded = load_from(self.server, source, size, self.target, loading, None);
        let position = loaded.map_err(|error| match error {
            LoadError::Stopped { .. } => Failure::Stopped,
            error => {
                let what = if is_old { "RDB preamble of the AOF file" } else { "RDB base file" };
                tracing::warn!("Error reading the {what} {name}, AOF loading aborted: {error}");
                Failure::Bad
            }
        });
        let (_, mut source) = position?;
        let offset = source.stream_position().map_err(|error| {
            tracing::warn!("Unrecoverable error reading the append only file {name}: {error}");
            Failure::Bad
        })?;
        if is_old {
            tracing::info!("Reading the remaining AOF tail...");
        }
        Ok((source, offset))
    }

    /// Executes the commands of a file from `offset` on, where `source` stands.
    fn commands(&mut self, name: &str, source: BufReader<File>, offset: u64) -> End {
        let mut replay = Replay::new(self.server);
        // Where the last whole command ends, and the last one outside of a transaction that has not ended.
        let (mut valid, mut valid_outside) = (offset, offset);
        let mut end = None;
        let began = read_ahead(Reader::new(source, offset), &mut |portion| {
            portion.commands().for_each(|(line, _)| replay.prefetch(line));
            self.target.with(ShardSet::ALL, &mut |txn| {
                let access = txn.access();
                // What has expired since is deleted by a command that follows.
                txn.set_access(Access { no_touch: true, expired: Expired::Show });
                for (line, offset) in portion.commands() {
                    if let Err(error) = replay.command(txn, line) {
                        tracing::warn!("{error} reading the append only file {name}");
                        end = Some(End::Bad);
                        break;
                    }
                    valid = offset;
                    if !replay.is_in_transaction() {
                        valid_outside = valid;
                    }
                }
                txn.set_access(access);
            });
            self.server.persistence.loading.bytes_read.store(self.before + valid, Relaxed);
            if !(self.look)(self.before + valid) {
                end = Some(End::Stopped);
            }
            if end.is_none() {
                end = portion.last().map(|last| last.map_or_else(|error| end_of(name, error, valid), |()| End::Whole));
            }
            end.is_none()
        });
        if let Err(error) = began {
            tracing::warn!("Can't start a thread that reads the append only file {name}: {error}");
            return End::Bad;
        }
        match end {
            Some(End::Whole) if replay.is_in_transaction() => {
                tracing::warn!("Revert incomplete MULTI/EXEC transaction in AOF file {name}");
                End::Torn { valid_len: valid_outside }
            }
            Some(End::Torn { .. }) => End::Torn { valid_len: valid_outside },
            Some(end) => end,
            None => End::Bad,
        }
    }
}

fn end_of(name: &str, error: ReadError, valid_len: u64) -> End {
    match error {
        ReadError::Truncated { .. } => End::Torn { valid_len },
        ReadError::Format { .. } => {
            tracing::warn!(
                "Bad file format reading the append only file {name}: make a backup of your AOF file, then use \
                 ./redis-check-aof --fix <filename.manifest> ({error})"
            );
            End::Bad
        }
        ReadError::Io { .. } => {
            tracing::warn!("Unrecoverable error reading the append only file {name}: {error}");
            End::Bad
        }
    }
}
