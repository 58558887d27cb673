//! A script from a file, on request in the debugger.

use std::fs;

use crate::endpoint::plain_error;
use crate::shell::interactive::{self, End};
use crate::shell::options::{Debug, Settings};
use crate::shell::session::{Outcome, Quit, Session};

const GREETING: &[u8] = b"Lua debugging session started, please use:\n\
    quit    -- End the session.\n\
    restart -- Restart the script in debug mode again.\n\
    help    -- Show Lua script debugging commands.\n\n";

/// Runs the script of `settings` and returns the exit status.
///
/// # Errors
/// When the program must end at once.
pub fn run(settings: Settings) -> Result<u8, Quit> {
    let (repeat, debug) = (settings.repeat, settings.debug);
    let mut session = Session::new(settings, false);
    if session.connect(false) == Outcome::Failed {
        return Ok(1);
    }
    if let Some(debug) = debug {
        return self::debug(&mut session, debug);
    }
    let command = command(session.settings())?;
    match session.run(&command, repeat)? {
        Outcome::Answered => Ok(0),
        Outcome::Failed => Ok(1),
    }
}

/// Debugs the script as often as the user wants it.
fn debug(session: &mut Session, debug: Debug) -> Result<u8, Quit> {
    let mut input = None;
    loop {
        session.print(GREETING)?;
        let command = command(session.settings())?;
        if let Err(why) = session.debug_next(debug) {
            eprintln!("Eval debugging session can't start: {why}");
            return Ok(1);
        }
        let outcome = session.run(&command, 1)?;
        if !session.is_debugging() {
            return Ok(u8::from(outcome == Outcome::Failed));
        }
        session.set_interactive();
        let input = match &mut input {
            Some(input) => input,
            none => none.insert(interactive::open_input(session)?),
        };
        match interactive::obey(session, input)? {
            End::Quit => return Ok(0),
            End::Restart => session.connect(false),
        };
        session.print(b"\n")?;
    }
}

/// EVAL with the script, and with the keys and arguments that a lone comma separates.
fn command(settings: &Settings) -> Result<Vec<Vec<u8>>, Quit> {
    let path = settings.eval.clone().unwrap_or_default();
    let script = fs::read(&path).map_err(|error| {
        eprintln!("Can't open file '{}': {}", path.display(), plain_error(&error));
        Quit(1)
    })?;
    let mut parts = settings.command.splitn(2, |argument| argument == b",");
    let (keys, arguments) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut command = vec![b"EVAL".to_vec(), script, keys.len().to_string().into_bytes()];
    command.extend_from_slice(keys);
    command.extend_from_slice(arguments);
    Ok(command)
}
