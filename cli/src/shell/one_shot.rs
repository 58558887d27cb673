//! One command from the command line.

use std::io::{self, Read};

use crate::shell::options::Settings;
use crate::shell::session::{Outcome, Quit, Session};
use crate::words::unquote;

/// Runs the command of `settings` and returns the exit status.
///
/// # Errors
/// When the program must end at once.
pub fn run(settings: Settings) -> Result<u8, Quit> {
    let mut session = Session::new(settings, false);
    session.connect(true);
    let arguments = match arguments(session.settings()) {
        Ok(arguments) => arguments,
        Err(Mistake::Quotes) => {
            session.print(b"Invalid quoted string\n")?;
            return Ok(1);
        }
        Err(Mistake::Tag) => {
            eprintln!("Using -X option but stdin tag not match.");
            return Ok(1);
        }
        Err(Mistake::Input(error)) => {
            eprintln!("Reading from standard input: {}", crate::endpoint::plain_error(&error));
            return Ok(1);
        }
    };
    let repeat = session.settings().repeat;
    match session.run(&arguments, repeat)? {
        Outcome::Answered => Ok(0),
        Outcome::Failed => Ok(1),
    }
}

enum Mistake {
    Quotes,
    Tag,
    Input(io::Error),
}

fn arguments(settings: &Settings) -> Result<Vec<Vec<u8>>, Mistake> {
    let mut arguments = settings.command.clone();
    if settings.quoted_input {
        for argument in &mut arguments {
            *argument = unquote(argument).ok_or(Mistake::Quotes)?;
        }
    }
    if settings.stdin_last {
        arguments.push(read_stdin()?);
    } else if let Some(tag) = &settings.stdin_tag {
        let place = arguments.iter_mut().find(|argument| *argument == tag).ok_or(Mistake::Tag)?;
        *place = read_stdin()?;
    }
    Ok(arguments)
}

fn read_stdin() -> Result<Vec<u8>, Mistake> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(Mistake::Input)?;
    Ok(bytes)
}
