//! What `main` does: reads the command line, and the configuration it names.

use super::serve::{VERSION, serve};
use crate::config::{Invocation, Launch, load, parse_arguments};
use crate::process::job;
use crate::process::startup::{self, Startup};
use ochre_persist::check::Program;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: ochre-server [CONFIG-FILE] [--DIRECTIVE VALUE ...] [-]
       ochre-server -v | --version
       ochre-server -h | --help

A lone - reads further configuration from standard input. Every directive of
default.conf can be given as an option, for example:

       ochre-server --port 7777 --maxmemory 1gb
       ochre-server /etc/ochre.conf --loglevel verbose

Started under the name redis-check-rdb or redis-check-aof, by a link for example,
it does what these tools do.
";

/// Runs the server, or what else the command line asks for.
pub fn main() -> ExitCode {
    let startup = startup::begin();
    if startup.job {
        job::stand();
        return ExitCode::SUCCESS;
    }
    if let Some(check) = startup.args.first().and_then(|name| Program::of_name(name)) {
        return check.run(&startup.args, crate::clock::unix_ms());
    }
    let arguments: Vec<Vec<u8>> = startup.args.iter().skip(1).cloned().map(OsStringExt::into_vec).collect();
    let done = match parse_arguments(&arguments) {
        Invocation::Run(launch) => start(&startup, &launch),
        Invocation::Version => {
            println!("Ochre server v={VERSION} malloc=jemalloc bits={}", usize::BITS);
            Ok(())
        }
        Invocation::Help => {
            print!("{USAGE}");
            Ok(())
        }
        Invocation::Generate(name) => generate(&name),
        Invocation::TestMemory => Err("--test-memory is not supported yet".to_owned()),
        Invocation::CheckSystem => Err("--check-system is not supported yet".to_owned()),
        Invocation::Sentinel => Err("--sentinel is not supported yet".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("{report}");
            ExitCode::FAILURE
        }
    }
}

fn generate(name: &str) -> Result<(), String> {
    let text = crate::config::generate(name).or_else(|| crate::commands::generate(name));
    let text = text.ok_or_else(|| format!("nothing to generate has the name '{name}'"))?;
    print!("{text}");
    Ok(())
}

/// Reads the configuration and serves.
fn start(startup: &Startup, launch: &Launch) -> Result<(), String> {
    let mut stdin = Vec::new();
    if launch.stdin {
        std::io::stdin().read_to_end(&mut stdin).map_err(|error| format!("Can't read standard input: {error}"))?;
    }
    let loaded = load(launch, &mut stdin.as_slice()).map_err(|error| error.to_string())?;
    serve(startup, loaded, launch.stdin.then_some(stdin.as_slice()))
}
