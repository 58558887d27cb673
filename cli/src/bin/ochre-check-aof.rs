//! `ochre-check-aof`: looks whether an append-only file is whole, and mends it.
#![forbid(unsafe_code)]

use ochre_persist::check::Program;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    Program::CheckAof.run(&arguments, ochre_tools::unix_ms())
}
