//! `ochre-check-aof`: looks whether an append-only file is whole, and mends it.
#![forbid(unsafe_code)]

use ochre_persist::check::{AofCheck, check_aof};
use std::io::{self, BufRead};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
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
    let now_ms = ochre_tools::unix_ms();
    let mut confirm = || {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim_start().to_ascii_lowercase().starts_with('y')
    };
    match check_aof(path, how, now_ms, &mut io::stdout().lock(), &mut confirm) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
