//! `ochre-benchmark`: measures a server under load from many clients.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use ochre_tools::bench::options::{Arguments, Options};
use ochre_tools::bench::run::run;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(message) => {
            // Nothing is left to report to when standard output or error is closed.
            let _ = message.print();
            let harmless = matches!(message.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if harmless { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    let options = match Options::check(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    for warning in &options.warnings {
        eprintln!("{warning}");
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
