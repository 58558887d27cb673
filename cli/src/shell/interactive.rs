//! Commands line by line, from a person or a script.

use std::fs;
use std::time::{Duration, Instant};

use crate::endpoint::plain_error;
use crate::format::Style;
use crate::shell::debugging;
use crate::shell::editor::Input;
use crate::shell::history::dot_file;
use crate::shell::options::Settings;
use crate::shell::session::{Quit, Session};
use crate::shell::verbatim::is_secret;
use crate::words::split;

/// Commands that take at least this long have their duration printed.
const SLOW: Duration = Duration::from_millis(500);

/// Reads and runs lines until the input ends, and returns the exit status.
///
/// # Errors
/// When the program must end at once.
pub fn run(settings: Settings) -> Result<u8, Quit> {
    let mut session = Session::new(settings, true);
    if let Err(error) = session.interrupt().install() {
        eprintln!("Cannot handle Ctrl-C: {}", plain_error(&error));
    }
    session.connect(false);
    let mut input = open_input(&session)?;
    obey(&mut session, &mut input)?;
    Ok(0)
}

/// Standard input; on a terminal with its history and the user's preferences.
///
/// # Errors
/// When it cannot be read.
pub(super) fn open_input(session: &Session) -> Result<Input, Quit> {
    let mut input = Input::stdin(dot_file("REDISCLI_HISTFILE", ".rediscli_history")).map_err(failed)?;
    if input.is_terminal() {
        load_preferences(session, &mut input)?;
    }
    Ok(input)
}

/// Runs lines until there are no more, or one says so.
///
/// # Errors
/// When the program must end at once.
pub(super) fn obey(session: &mut Session, input: &mut Input) -> Result<End, Quit> {
    while let Some(line) = input.next(&session.prompt()).map_err(failed)? {
        match run_line(session, input, &line)? {
            Next::Line => {}
            Next::Leave => return Ok(End::Quit),
            Next::Restart => return Ok(End::Restart),
        }
    }
    Ok(End::Quit)
}

/// Why no more lines are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is over.
    Quit,
    /// The script of `--eval` is to be debugged again.
    Restart,
}

fn failed(error: std::io::Error) -> Quit {
    eprintln!("Reading from standard input: {}", plain_error(&error));
    Quit(1)
}

#[derive(PartialEq, Eq)]
enum Next {
    Line,
    Leave,
    Restart,
}

fn run_line(session: &mut Session, input: &mut Input, line: &[u8]) -> Result<Next, Quit> {
    let words = if session.is_debugging() { debugging::split(line) } else { split(line) };
    let Some(words) = words else {
        session.print(b"Invalid argument(s)\n")?;
        input.remember(line);
        return Ok(Next::Line);
    };
    let (repeat, command) = match repeat_prefix(&words) {
        Some(Ok(repeat)) => (repeat, words.get(1..).unwrap_or_default()),
        Some(Err(InvalidRepeat)) => {
            session.print(b"Invalid redis-cli repeat command option value.\n")?;
            return Ok(Next::Line);
        }
        None => (1, words.as_slice()),
    };
    let Some(first) = words.first() else { return Ok(Next::Line) };
    if !is_secret(command) {
        input.remember(line);
    }
    match (first.to_ascii_lowercase().as_slice(), words.get(1..).unwrap_or_default()) {
        (b"quit" | b"exit", _) => return Ok(Next::Leave),
        ([b':', ..], _) => set_preference(session, input, &words, "")?,
        (b"restart", _) if session.settings().eval.is_some() => return Ok(Next::Restart),
        (b"restart", _) => session.print(b"Use 'restart' only in Lua debugging mode.\n")?,
        (b"connect", [host, port]) => connect_to(session, host, port)?,
        (b"clear", []) => session.print(b"\x1b[H\x1b[2J")?,
        _ => {
            let start = Instant::now();
            session.run(command, repeat)?;
            let elapsed = start.elapsed();
            if elapsed >= SLOW && session.settings().style == Style::Tty {
                session.print(format!("({:.2}s)\n", elapsed.as_secs_f64()).as_bytes())?;
            }
        }
    }
    Ok(Next::Line)
}

fn connect_to(session: &mut Session, host: &[u8], port: &[u8]) -> Result<(), Quit> {
    let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
    match (std::str::from_utf8(host), port) {
        (Ok(host), Some(port)) => {
            session.set_address(host.to_owned(), port);
            session.connect(false);
            Ok(())
        }
        _ => session.print(b"connect needs a host and a port number\n"),
    }
}

/// A number before a command repeats it.
struct InvalidRepeat;

fn repeat_prefix(words: &[Vec<u8>]) -> Option<Result<i64, InvalidRepeat>> {
    let [first, _, ..] = words else { return None };
    let digits = first.strip_prefix(b"-").or(first.strip_prefix(b"+")).unwrap_or(first);
    if !digits.iter().all(u8::is_ascii_digit) || (digits.is_empty() && !first.is_empty()) {
        return None;
    }
    let number: Option<i64> = std::str::from_utf8(first).ok().and_then(|number| number.parse().ok());
    Some(number.filter(|repeat| *repeat > 0).ok_or(InvalidRepeat))
}

/// Runs a line that begins with a colon; `origin` names the file that it stands in.
fn set_preference(session: &Session, input: &mut Input, words: &[Vec<u8>], origin: &str) -> Result<(), Quit> {
    let lower: Vec<Vec<u8>> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    match lower.as_slice() {
        [set, name, ..] if set == b":set" => match name.as_slice() {
            b"hints" => input.set_hints(true),
            b"nohints" => input.set_hints(false),
            _ => {
                let name = String::from_utf8_lossy(name);
                session.print(format!("{origin}unknown preference '{name}'\n").as_bytes())?;
            }
        },
        _ => {
            let name = words.first().map(|name| String::from_utf8_lossy(name)).unwrap_or_default();
            session.print(format!("{origin}unknown internal command '{name}'\n").as_bytes())?;
        }
    }
    Ok(())
}

fn load_preferences(session: &Session, input: &mut Input) -> Result<(), Quit> {
    let text = dot_file("REDISCLI_RCFILE", ".redisclirc").and_then(|path| fs::read(path).ok()).unwrap_or_default();
    for line in text.split(|byte| *byte == b'\n') {
        let words = split(line).unwrap_or_default();
        if !words.is_empty() {
            set_preference(session, input, &words, ".redisclirc: ")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_before_a_command_repeats_it() {
        let prefix = |line: &str| repeat_prefix(&split(line.as_bytes()).unwrap()).map(|number| number.ok());
        assert_eq!(prefix("3 get x"), Some(Some(3)));
        assert_eq!(prefix("+3 get x"), Some(Some(3)));
        assert_eq!(prefix("0 get x"), Some(None));
        assert_eq!(prefix("-2 get x"), Some(None));
        assert_eq!(prefix("99999999999999999999 get x"), Some(None));
        assert_eq!(prefix("3"), None);
        assert_eq!(prefix("3x get x"), None);
        assert_eq!(prefix("- get"), None);
        assert_eq!(prefix("get 3"), None);
    }
}
