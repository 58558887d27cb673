//! Whether an append-only file is whole, and how it can be made so.

use super::commands::{Commands, Damage, Next};
use super::{CheckError, check_rdb};
use crate::aof::Manifest;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// What an RDB file begins with, and how long it is at least.
const RDB_BEGIN: &[u8] = b"REDIS";
const RDB_BYTES_MIN: u64 = 8;
/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AofCheck {
    /// Nothing is changed.
    Look,
    /// What is damaged at the end is cut off.
    Fix,
    /// What is later than this moment, Unix seconds, is cut off.
    TruncateTo(i64),
}

/// How a file was found.
enum State {
    Valid,
    Empty,
    Truncated,
}

/// The files that are looked at, and how.
struct Check<'c> {
    how: AofCheck,
    now_ms: i64,
    out: &'c mut dyn Write,
    confirm: &'c mut dyn FnMut() -> bool,
}

/// Looks at an append-only file: at the manifest of one, or at a single file as versions before 7.0 had it; and writes what it
/// finds to `out`. `confirm` is asked before anything is cut off because it is damaged.
///
/// # Errors
/// If the file is not valid and was not made so, which was written then, or nothing can be written.
pub fn check_aof(
    path: &Path,
    how: AofCheck,
    now_ms: i64,
    out: &mut dyn Write,
    confirm: &mut dyn FnMut() -> bool,
) -> Result<(), CheckError> {
    let mut check = Check { how, now_ms, out, confirm };
    if check.is_manifest(path)? {
        return check.of_manifest(path);
    }
    let is_rdb = check.is_rdb(path)?;
    writeln!(check.out, "Start checking Old-Style AOF")?;
    let name = path.display().to_string();
    let state = check.file(&name, path, true, is_rdb)?;
    check.tell("", &name, &state)
}

impl Check<'_> {
    fn of_manifest(&mut self, path: &Path) -> Result<(), CheckError> {
        writeln!(self.out, "Start checking Multi Part AOF")?;
        let text = std::fs::read(path).or_else(|error| self.fail(&format!("Cannot read file {path:?}: {error}")))?;
        let manifest = match Manifest::parse(&text) {
            Ok(manifest) => manifest,
            Err(error) => {
                let line = error.line.as_ref().map(|(number, line)| format!(" at line {number}: '{line}'"));
                return self.fail(&format!("The AOF manifest is not valid{}: {error}", line.unwrap_or_default()));
            }
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        if let Some(base) = &manifest.base {
            let path = folder.join(&base.name);
            let is_rdb = self.is_rdb(&path)?;
            writeln!(self.out, "Start to check BASE AOF ({} format).", if is_rdb { "RDB" } else { "RESP" })?;
            let state = self.file(&base.name, &path, manifest.incremental.is_empty(), is_rdb)?;
            self.tell("BASE ", &base.name, &state)?;
        }
        if let Some(last) = manifest.incremental.last() {
            writeln!(self.out, "Start to check INCR files.")?;
            for entry in &manifest.incremental {
                let state = self.file(&entry.name, &folder.join(&entry.name), entry == last, false)?;
                self.tell("INCR ", &entry.name, &state)?;
            }
        }
        writeln!(self.out, "All AOF files and manifest are valid")?;
        Ok(())
    }

    fn tell(&mut self, kind: &str, name: &str, state: &State) -> Result<(), CheckError> {
        match (state, self.how) {
            (State::Valid, _) => writeln!(self.out, "{kind}AOF {name} is valid")?,
            (State::Empty, _) => writeln!(self.out, "{kind}AOF {name} is empty")?,
            (State::Truncated, AofCheck::TruncateTo(seconds)) => {
                writeln!(self.out, "Successfully truncated AOF {name} to timestamp {seconds}")?;
            }
            (State::Truncated, _) => writeln!(self.out, "Successfully truncated AOF {name}")?,
        }
        Ok(())
    }

    /// Looks at one file; `is_rdb`: it begins with an RDB file.
    fn file(&mut self, name: &str, path: &Path, is_last: bool, is_rdb: bool) -> Result<State, CheckError> {
        let changes = self.how != AofCheck::Look;
        let opened = OpenOptions::new().read(true).write(changes).open(path);
        let file = opened.or_else(|error| self.fail(&format!("Cannot open file {path:?}: {error}, aborting...")))?;
        let size = file.metadata().map(|facts| facts.len());
        let size = size.or_else(|error| self.fail(&format!("Cannot stat file {name}: {error}, aborting...")))?;
        if size == 0 {
            return Ok(State::Empty);
        }
        let (mut source, mut offset) = (BufReader::with_capacity(BUFFER_BYTES, &file), 0);
        if is_rdb {
            match check_rdb(source, size, name, self.now_ms, self.out) {
                Ok(behind) => (source, offset) = behind,
                Err(CheckError::Invalid) => return self.fail("RDB preamble of AOF file is not sane, aborting."),
                Err(error) => return Err(error),
            }
            writeln!(self.out, "RDB preamble is OK, proceeding with AOF tail...")?;
        }
        self.commands(name, &file, source, (offset, size), is_last)
    }

    fn commands(
        &mut self,
        name: &str,
        file: &File,
        source: impl BufRead,
        (offset, size): (u64, u64),
        is_last: bool,
    ) -> Result<State, CheckError> {
        let mut commands = Commands::new(source, offset);
        let damage = loop {
            match commands.next() {
                Ok(Next::Command) => {}
                Ok(Next::Annotation(begin, text)) => {
                    if self.is_too_late(&text)? {
                        return self.cut_to_time(name, file, begin, is_last);
                    }
                }
                Ok(Next::End) => break None,
                Err(damage) => break Some(damage),
            }
        };
        let (valid, line) = (commands.valid(), commands.line());
        if let Some(Damage { offset, reason }) = damage {
            writeln!(self.out, "AOF {name}, byte {offset:#x}: {reason}")?;
        }
        let rest = size.saturating_sub(valid);
        if let (0, AofCheck::TruncateTo(seconds)) = (rest, self.how) {
            writeln!(self.out, "Truncate nothing in AOF {name} to timestamp {seconds}")?;
            return Ok(State::Valid);
        }
        writeln!(
            self.out,
            "AOF analyzed: filename={name}, size={size}, ok_up_to={valid}, ok_up_to_line={line}, diff={rest}"
        )?;
        if rest == 0 {
            return Ok(State::Valid);
        }
        if self.how != AofCheck::Fix {
            return self.fail(&format!("AOF {name} is not valid. Use the --fix option to try fixing it."));
        }
        if !is_last {
            return self.fail(&format!("Failed to truncate AOF {name} because it is not the last file"));
        }
        writeln!(
            self.out,
            "This will shrink the AOF {name} from {size} bytes, with {rest} bytes, to {valid} bytes\nContinue? [y/N]: "
        )?;
        self.out.flush()?;
        if !(self.confirm)() {
            return self.fail("Aborting...");
        }
        self.truncate(name, file, valid)
    }

    /// Whether an annotation tells a time later than what is wanted.
    fn is_too_late(&mut self, text: &[u8]) -> Result<bool, CheckError> {
        let (AofCheck::TruncateTo(wanted), Some(time)) = (self.how, text.strip_prefix(b"#TS:")) else {
            return Ok(false);
        };
        match std::str::from_utf8(time).ok().and_then(|time| time.parse::<i64>().ok()) {
            Some(time) => Ok(time > wanted),
            None => self.fail("Invalid timestamp annotation"),
        }
    }

    fn cut_to_time(&mut self, name: &str, file: &File, at: u64, is_last: bool) -> Result<State, CheckError> {
        let AofCheck::TruncateTo(seconds) = self.how else { return Ok(State::Valid) };
        if at == 0 {
            return self.fail(&format!("AOF {name} has nothing before timestamp {seconds}, aborting..."));
        }
        if !is_last {
            return self.fail(&format!(
                "Failed to truncate AOF {name} to timestamp {seconds} to offset {at} because it is not the last file.\n\
                 Whoever wants it all the same deletes the files behind it, and their lines in the manifest, and tries again."
            ));
        }
        self.truncate(name, file, at)
    }

    fn truncate(&mut self, name: &str, file: &File, len: u64) -> Result<State, CheckError> {
        match file.set_len(len).and_then(|()| file.sync_all()) {
            Ok(()) => Ok(State::Truncated),
            Err(error) => self.fail(&format!("Failed to truncate AOF {name}: {error}")),
        }
    }

    /// Whether a file has a line that begins with `file`, as manifests do.
    fn is_manifest(&mut self, path: &Path) -> Result<bool, CheckError> {
        let mut source = BufReader::new(self.open(path)?);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line of a manifest is shorter; what is longer is taken as several.
            match source.by_ref().take(1024).read_until(b'\n', &mut line) {
                Ok(0) => return Ok(false),
                Ok(_) if line.starts_with(b"file") => return Ok(true),
                Ok(_) => {}
                Err(error) => return self.fail(&format!("Cannot read file {path:?}: {error}")),
            }
        }
    }

    fn is_rdb(&mut self, path: &Path) -> Result<bool, CheckError> {
        let mut begin = Vec::new();
        let read = self.open(path)?.take(RDB_BYTES_MIN).read_to_end(&mut begin);
        read.or_else(|error| self.fail(&format!("Cannot read file {path:?}: {error}")))?;
        Ok(begin.len() as u64 == RDB_BYTES_MIN && begin.starts_with(RDB_BEGIN))
    }

    fn open(&mut self, path: &Path) -> Result<File, CheckError> {
        File::open(path).or_else(|error| self.fail(&format!("Cannot open file {path:?}: {error}")))
    }

    fn fail<T>(&mut self, why: &str) -> Result<T, CheckError> {
        writeln!(self.out, "{why}")?;
        Err(CheckError::Invalid)
    }
}
