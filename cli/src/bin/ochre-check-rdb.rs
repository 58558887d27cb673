//! `ochre-check-rdb`: looks whether an RDB file is whole, and tells what is in it.
#![forbid(unsafe_code)]

use ochre_persist::check::Program;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    Program::CheckRdb.run(&arguments, ochre_tools::unix_ms())
}
