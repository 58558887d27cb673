//! The debugger of scripts, which runs in the server: what is typed for it, and what it says.

use ochre_resp::Value;

use crate::shell::options::Debug;
use crate::words;

/// Whether a connection debugs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Debugging {
    /// It does not.
    #[default]
    Off,
    /// It will debug the scripts of EVAL.
    Asked(Debug),
    /// EVAL was sent.
    Begins(Debug),
    /// A script stands still, and the debugger waits for commands.
    On(Debug),
}

impl Debugging {
    /// Whether a script stands still.
    #[must_use]
    pub fn is_on(self) -> bool {
        matches!(self, Self::On(_))
    }

    /// What it is once this command is sent.
    #[must_use]
    pub fn before(self, command: &[Vec<u8>]) -> Self {
        match (self, command.first()) {
            (Self::Asked(debug), Some(name)) if name.eq_ignore_ascii_case(b"eval") => Self::Begins(debug),
            _ => self,
        }
    }

    /// What it is once this command is answered.
    #[must_use]
    pub fn after(self, command: &[Vec<u8>], has_failed: bool) -> Self {
        let [script, debug, how] = command else { return self };
        let is_asked = script.eq_ignore_ascii_case(b"script") && debug.eq_ignore_ascii_case(b"debug");
        if has_failed || !is_asked || self.is_on() {
            return self;
        }
        match how.to_ascii_lowercase().as_slice() {
            b"yes" => Self::Asked(Debug::Undone),
            b"sync" => Self::Asked(Debug::Kept),
            _ => Self::Off,
        }
    }
}

/// How SCRIPT DEBUG names it.
pub(super) fn mode(debug: Debug) -> &'static [u8] {
    match debug {
        Debug::Undone => b"YES",
        Debug::Kept => b"SYNC",
    }
}

/// What is said after the script's reply.
pub(super) fn farewell(debug: Debug) -> &'static [u8] {
    match debug {
        Debug::Undone => b"\n(Lua debugging session ended -- dataset changes rolled back)\n\n",
        Debug::Kept => b"\n(Lua debugging session ended)\n\n",
    }
}

/// Splits a line for the debugger: Lua code is left as it is. `None` when its quotes do not match.
pub(super) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    for name in [b"e".as_slice(), b"eval"] {
        if let Some(code) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(b" ")) {
            return Some(vec![name.to_vec(), code.to_vec()]);
        }
    }
    words::split(line)
}

/// The last line that the debugger says.
const END: &[u8] = b"<endsession>";

/// The lines of the debugger as text, and whether they are its last.
pub(super) fn format(value: &Value, colours: bool) -> (Vec<u8>, bool) {
    let one = std::slice::from_ref(value);
    let lines = match value {
        Value::Array(lines) => lines.as_slice(),
        _ => one,
    };
    let (mut text, mut is_over) = (Vec::new(), false);
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            text.push(b'\n');
        }
        match line {
            Value::Simple(line) if line.starts_with(END) => is_over = true,
            Value::Simple(line) => match colour(line).filter(|_| colours) {
                Some(colour) => {
                    text.extend_from_slice(format!("\x1b[{colour};49m").as_bytes());
                    text.extend_from_slice(line);
                    text.extend_from_slice(b"\x1b[0m");
                }
                None => text.extend_from_slice(line),
            },
            other => text.extend(crate::format::format_verbatim(other, &Default::default())),
        }
    }
    text.push(b'\n');
    (text, is_over)
}

/// Attributes of a terminal for a line.
fn colour(line: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 7] = [
        (b"<value>", "0;35"),
        (b"<retval>", "0;35"),
        (b"<hint>", "1;37"),
        (b"<error>", "0;31"),
        (b"<reply>", "0;36"),
        (b"<redis>", "0;32"),
        (b"<debug>", "1;37"),
    ];
    match line {
        [_, b'>', _, digit, ..] if digit.is_ascii_digit() => Some("0;33"),
        [_, _, b'#', digit, ..] if digit.is_ascii_digit() => Some("1;37"),
        _ => KINDS.iter().find(|(kind, _)| line.starts_with(kind)).map(|(_, colour)| *colour),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_not_split() {
        let words = |line: &str| split(line.as_bytes());
        assert_eq!(words("e 'a  b"), Some(vec![b"e".to_vec(), b"'a  b".to_vec()]));
        assert_eq!(words("eval x"), Some(vec![b"eval".to_vec(), b"x".to_vec()]));
        assert_eq!(words("redis set  'a b' c").map(|words| words.len()), Some(4));
        assert_eq!(words("p 'a"), None);
    }

    #[test]
    fn the_debugger_is_entered_by_eval_alone() {
        let command = |line: &str| words::split(line.as_bytes()).unwrap();
        let asked = Debugging::Off.after(&command("script debug sync"), false);
        assert_eq!(asked, Debugging::Asked(Debug::Kept));
        assert_eq!(asked.before(&command("get a")), asked);
        assert_eq!(asked.before(&command("EVAL x 0")), Debugging::Begins(Debug::Kept));
        assert_eq!(asked.after(&command("script debug no"), false), Debugging::Off);
        assert_eq!(Debugging::Off.after(&command("script debug yes"), true), Debugging::Off);
    }

    #[test]
    fn lines_are_coloured_by_what_they_are() {
        let lines = ["-> 1   local x", "<reply> 1", "text", "<endsession>"].map(|line| Value::Simple(line.into()));
        let value = Value::Array(lines.to_vec());
        let coloured = "\x1b[0;33;49m-> 1   local x\x1b[0m\n\x1b[0;36;49m<reply> 1\x1b[0m\ntext\n\n";
        assert_eq!(format(&value, true), (coloured.into(), true));
        assert_eq!(format(&Value::Array(lines[..2].to_vec()), false), (b"-> 1   local x\n<reply> 1\n".to_vec(), false));
    }
}
