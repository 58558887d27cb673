//! The checks as programs: their arguments, and what they say.

use super::{AofCheck, check_aof, check_rdb};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A program that looks whether files are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Of one RDB file.
    CheckRdb,
    /// Of an append-only file.
    CheckAof,
}

impl Program {
    /// The one that a program is which was started under this name: so a link of that name is enough.
    #[must_use]
    pub fn of_name(started_as: &OsStr) -> Option<Program> {
        let name = Path::new(started_as).file_name()?.to_str()?;
        match name.strip_prefix("redis-").or(name.strip_prefix("valkey-")).or(name.strip_prefix("ochre-"))? {
            "check-rdb" => Some(Program::CheckRdb),
            "check-aof" => Some(Program::CheckAof),
            _ => None,
        }
    }

    /// Does what the arguments ask for, of which the first one is the program's name. `now_ms` is the time.
    #[must_use]
    pub fn run(self, arguments: &[OsString], now_ms: i64) -> ExitCode {
        match self {
            Program::CheckRdb => run_check_rdb(arguments, now_ms),
            Program::CheckAof => run_check_aof(arguments, now_ms),
        }
    }
}

fn run_check_rdb(arguments: &[OsString], now_ms: i64) -> ExitCode {
    let [_, path] = arguments else {
        let program = arguments.first().cloned().unwrap_or_default();
        eprintln!("Usage: {} <rdb-file-name>", program.display());
        return ExitCode::FAILURE;
    };
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (bytes, file) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("Cannot open file {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let source = BufReader::with_capacity(BUFFER_BYTES, file);
    let name = path.display().to_string();
    match check_rdb(source, bytes, &name, now_ms, &mut io::stdout().lock()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run_check_aof(arguments: &[OsString], now_ms: i64) -> ExitCode {
    let words: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let how = match words.as_slice() {
        [_, _] => AofCheck::Look,
        [_, "--fix", _] => AofCheck::Fix,
        [_, "--truncate-to-timestamp", seconds, _] => match seconds.parse() {
            Ok(seconds) => AofCheck::TruncateTo(seconds),
            Err(_) => {
                println!("Invalid timestamp, aborting...");
                return ExitCode::FAILURE;
            }
        },
        _ => {
            let program = words.first().unwrap_or(&"ochre-check-aof");
            println!("Usage: {program} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>");
            return ExitCode::FAILURE;
        }
    };
    let path = arguments.last().map_or(Path::new(""), Path::new);
    let mut confirm = || {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim_start().to_ascii_lowercase().starts_with('y')
    };
    match check_aof(path, how, now_ms, &mut io::stdout().lock(), &mut confirm) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
