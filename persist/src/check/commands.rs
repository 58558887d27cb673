//! How far a file of commands is whole.

use std::io::{self, BufRead, Read};

/// A line that is no argument may be so long, its end included.
const LINE_LEN_MAX: u64 = 1024;
/// The longest name of a command that matters here, and one byte more.
const NAME_LEN: u64 = 6;

/// A file of commands that is being looked through.
#[derive(Debug)]
pub(super) struct Commands<R> {
    source: R,
    /// Where it stands, in bytes from the start of the file.
    offset: u64,
    /// The line it stands in, from one; annotations are no lines.
    line: u64,
    in_transaction: bool,
    /// How far it is whole: up to the end of a command that is outside transactions.
    valid: u64,
}

/// What is wrong.
#[derive(Debug)]
pub(super) struct Damage {
    /// Where.
    pub(super) offset: u64,
    /// What.
    pub(super) reason: String,
}

/// What stands next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A whole command.
    Command,
    /// A line that begins with `#`, without its end, which began at this byte.
    Annotation(u64, Vec<u8>),
    /// The end of the file.
    End,
}

impl<R: BufRead> Commands<R> {
    /// Looks through a source that stands at the byte `offset` of its file.
    pub(super) fn new(source: R, offset: u64) -> Commands<R> {
        Commands { source, offset, line: 1, in_transaction: false, valid: offset }
    }

    /// How far it is whole.
    pub(super) fn valid(&self) -> u64 {
        self.valid
    }

    /// The line where it stands.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Passes over the next part.
    pub(super) fn next(&mut self) -> Result<Next, Damage> {
        if !self.in_transaction {
            self.valid = self.offset;
        }
        let first = self.source.fill_buf().map(|bytes| bytes.first().copied());
        match first.map_err(|error| self.damage(&error))? {
            None if self.in_transaction => Err(self.damage(&"Reached EOF before reading EXEC for MULTI")),
            None => Ok(Next::End),
            Some(b'#') => {
                let begin = self.offset;
                let line = self.read_line()?;
                Ok(Next::Annotation(begin, line))
            }
            Some(b'*') => self.command().map(|()| Next::Command),
            Some(_) => Err(self.damage(&"format error, a command is expected")),
        }
    }

    fn command(&mut self) -> Result<(), Damage> {
        let arguments = self.number(b'*')?;
        for index in 0..arguments {
            let begin = self.offset;
            let name = self.argument()?;
            if index > 0 {
                continue;
            }
            let is_multi = name.eq_ignore_ascii_case(b"multi");
            if is_multi || name.eq_ignore_ascii_case(b"exec") {
                if is_multi == self.in_transaction {
                    let name = if is_multi { "MULTI" } else { "EXEC" };
                    return Err(Damage { offset: begin, reason: format!("Unexpected {name}") });
                }
                self.in_transaction = is_multi;
            }
        }
        Ok(())
    }

    /// Passes over an argument, and returns what it begins with.
    fn argument(&mut self) -> Result<Vec<u8>, Damage> {
        let len = self.number(b'$')?;
        let begin = self.offset;
        let mut name = Vec::new();
        let read = self.source.by_ref().take(len.min(NAME_LEN)).read_to_end(&mut name);
        let named = read.map_err(|error| self.damage(&error))? as u64;
        let rest = len.saturating_sub(named);
        let skipped = io::copy(&mut self.source.by_ref().take(rest), &mut io::sink());
        let skipped = skipped.map_err(|error| self.damage(&error))?;
        self.offset = self.offset.saturating_add(named).saturating_add(skipped);
        let mut end = Vec::new();
        let read = self.source.by_ref().take(2).read_to_end(&mut end);
        self.offset = self.offset.saturating_add(read.map_err(|error| self.damage(&error))? as u64);
        if end.len() < 2 {
            let (wanted, got) = (len.saturating_add(2), self.offset.saturating_sub(begin));
            let reason = format!("Expected to read {wanted} bytes, got {got} bytes");
            return Err(Damage { offset: begin, reason });
        }
        if end != b"\r\n" {
            return Err(Damage { offset: begin, reason: format!("Expected \\r\\n, got: {}", hex(&end)) });
        }
        self.line = self.line.saturating_add(1);
        Ok(name)
    }

    /// Reads a line of a number behind `prefix`.
    fn number(&mut self, prefix: u8) -> Result<u64, Damage> {
        let begin = self.offset;
        let line = self.read_line()?;
        let damage = |reason| Damage { offset: begin, reason };
        match line.split_first() {
            Some((first, digits)) if *first == prefix => {
                let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
                self.line = self.line.saturating_add(1);
                number.ok_or_else(|| damage(format!("Expected a number, got: '{}'", digits.escape_ascii())))
            }
            Some((first, _)) => Err(damage(format!(
                "Expected prefix '{}', got: '{}'",
                char::from(prefix),
                std::ascii::escape_default(*first)
            ))),
            None => Err(damage(format!("Expected prefix '{}', got an empty line", char::from(prefix)))),
        }
    }

    /// Reads a line, without its end.
    fn read_line(&mut self) -> Result<Vec<u8>, Damage> {
        let (begin, mut line) = (self.offset, Vec::new());
        let read = self.source.by_ref().take(LINE_LEN_MAX).read_until(b'\n', &mut line);
        self.offset = self.offset.saturating_add(read.map_err(|error| self.damage(&error))? as u64);
        match line.strip_suffix(b"\r\n") {
            Some(text) => Ok(text.to_vec()),
            None => {
                let last = line.get(line.len().saturating_sub(2)..).unwrap_or_default();
                Err(Damage { offset: begin, reason: format!("Expected \\r\\n, got: {}", hex(last)) })
            }
        }
    }

    fn damage(&self, reason: &dyn std::fmt::Display) -> Damage {
        Damage { offset: self.offset, reason: reason.to_string() }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Up to where `text` is whole, the line where it is not, and what is wrong.
    fn look(text: &str) -> (u64, u64, Option<String>) {
        let mut commands = Commands::new(text.as_bytes(), 0);
        loop {
            match commands.next() {
                Ok(Next::End) => return (commands.valid(), commands.line(), None),
                Ok(_) => {}
                Err(damage) => return (commands.valid(), commands.line(), Some(damage.reason)),
            }
        }
    }

    // Bytes and lines are those that redis-check-aof 7.0.15 names.
    #[test]
    fn it_finds_how_far_a_file_is_whole() {
        const SET: &str = "*3\r\n$3\r\nset\r\n$3\r\nfoo\r\n$5\r\nhello\r\n";
        assert_eq!(look(SET), (33, 8, None));
        assert_eq!(look(&format!("#TS:1\r\n{SET}")), (40, 8, None));
        let (valid, line, reason) = look(&format!("{SET}!!!"));
        assert_eq!((valid, line), (33, 8));
        assert!(reason.unwrap().contains("format error"));
        let (valid, line, reason) = look(&format!("{SET}*3\r\n$3\r\nset\r\n$3\r\nbar\r\n$5\r\nwor"));
        assert_eq!((valid, line), (33, 14));
        assert_eq!(reason.unwrap(), "Expected to read 7 bytes, got 3 bytes");
        let multi = "*1\r\n$5\r\nMULTI\r\n";
        assert_eq!(look(&format!("{SET}{multi}{SET}")).0, 33);
        let exec = "*1\r\n$4\r\nEXEC\r\n";
        assert_eq!(look(&format!("{SET}{multi}{SET}{exec}")), (95, 21, None));
        assert!(look(&format!("{multi}{multi}")).2.unwrap().contains("Unexpected MULTI"));
        assert!(look(exec).2.unwrap().contains("Unexpected EXEC"));
    }

    #[test]
    fn no_declared_length_takes_memory() {
        let (valid, _, reason) = look("*1\r\n$18446744073709551615\r\nabc");
        assert_eq!((valid, reason.is_some()), (0, true));
        assert!(look("*1\r\n$x\r\n").2.unwrap().contains("Expected a number"));
        assert!(look("*1\r\n+OK\r\n").2.unwrap().contains("Expected prefix '$', got: '+'"));
    }
}
