//! `ochre-cli`: the interactive client.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::ExitCode;

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use ochre_tools::endpoint::plain_error;
use ochre_tools::shell::options::{Environment, Refusal, Settings, parse};
use ochre_tools::shell::session::Quit;
use ochre_tools::shell::{evaluation, interactive, one_shot};

fn main() -> ExitCode {
    let line: Vec<OsString> = std::env::args_os().collect();
    let environment = Environment {
        password: std::env::var_os("REDISCLI_AUTH"),
        terminal: io::stdout().is_terminal() || std::env::var_os("FAKETTY").is_some(),
    };
    let settings = match parse(&line, &environment) {
        Ok(settings) => settings,
        Err(Refusal::Information(text)) => {
            // Nothing is left to report to when standard output is closed.
            let _ = text.print();
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Mistake(text)) => {
            eprintln!("{}", text.trim_end());
            return ExitCode::FAILURE;
        }
    };
    match run(settings) {
        Ok(status) | Err(Quit(status)) => ExitCode::from(status),
    }
}

fn run(mut settings: Settings) -> Result<u8, Quit> {
    if settings.warn_password {
        eprintln!("Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.");
    }
    if settings.ask_password {
        let password = ask_password().map_err(|error| {
            eprintln!("Cannot read the password: {}", plain_error(&error));
            Quit(1)
        })?;
        settings.password = Some(password);
    }
    if settings.eval.is_some() {
        evaluation::run(settings)
    } else if settings.command.is_empty() {
        interactive::run(settings)
    } else {
        one_shot::run(settings)
    }
}

/// Reads a line from standard input; on a terminal after a prompt and without echo.
fn ask_password() -> io::Result<Vec<u8>> {
    let stdin = io::stdin();
    let mut line = Vec::new();
    if !stdin.is_terminal() {
        stdin.lock().read_until(b'\n', &mut line)?;
    } else {
        print!("Please input password: ");
        io::stdout().flush()?;
        let before = tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent)?;
        let result = stdin.lock().read_until(b'\n', &mut line);
        tcsetattr(&stdin, SetArg::TCSAFLUSH, &before)?;
        println!();
        result?;
    }
    while line.ends_with(b"\n") || line.ends_with(b"\r") {
        line.pop();
    }
    Ok(line)
}
