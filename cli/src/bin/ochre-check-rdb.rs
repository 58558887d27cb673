//! `ochre-check-rdb`: looks whether an RDB file is whole, and tells what is in it.
#![forbid(unsafe_code)]

use ochre_persist::check::check_rdb;
use std::fs::File;
use std::io::{self, BufReader};
use std::process::ExitCode;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 << 10;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        eprintln!("Usage: {} <rdb-file-name>", program.display());
        return ExitCode::FAILURE;
    };
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (bytes, file) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("Cannot open file {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let source = BufReader::with_capacity(BUFFER_BYTES, file);
    let name = path.display().to_string();
    match check_rdb(source, bytes, &name, ochre_tools::unix_ms(), &mut io::stdout().lock()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
