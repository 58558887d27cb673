//! Reading commands from a file.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use ochre_resp::request::Span;
use std::io::{self, BufRead, Read};

/// A line that is no argument may be so long, its end included.
const LINE_LEN_MAX: usize = 1024;
/// Bytes that are reserved at once for an argument, whatever length was declared.
const RESERVED_MAX: usize = 64 * 1024;

/// A command as it was read, reused for the next one.
#[derive(Debug, Default)]
pub struct CommandLine {
    /// What the arguments lie in.
    pub bytes: Vec<u8>,
    /// Where they lie.
    pub spans: Vec<Span>,
}

impl CommandLine {
    /// The argument at `index`; empty where there is none.
    pub fn at(&self, index: usize) -> &[u8] {
        self.spans.get(index).and_then(|span| self.bytes.get(span.start..span.end)).unwrap_or_default()
    }
}

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file ends within a command.
    #[error("byte {offset}: unexpected end of file")]
    Truncated {
        /// Where it ends.
        offset: u64,
    },
    /// It has another form.
    #[error("byte {offset}: {reason}")]
    Format {
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// It cannot be read.
    #[error("byte {offset}: {error}")]
    Io {
        /// Where.
        offset: u64,
        /// What the system says.
        error: io::Error,
    },
}

/// Reads a file of commands. Annotations, which begin with `#`, are passed over.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    offset: u64,
    line: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// A reader of a source that stands at the byte `offset` of its file.
    pub fn new(source: R, offset: u64) -> Reader<R> {
        Reader { source, offset, line: Vec::new() }
    }

    /// Where it stands: after the command that was read last, if no error came since.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next command; false at the end.
    ///
    /// # Errors
    /// If the file is damaged or ends within a command.
    pub fn next(&mut self, into: &mut CommandLine) -> Result<bool, ReadError> {
        into.bytes.clear();
        into.spans.clear();
        let arguments = loop {
            if !self.read_line()? {
                return Ok(false);
            }
            match self.line.first() {
                Some(b'#') => {}
                Some(b'*') => break self.number("the number of arguments is missing")?,
                _ => return Err(self.format("a command is expected")),
            }
        };
        if arguments < 1 {
            return Err(self.format("a command has no argument"));
        }
        for _ in 0..arguments {
            if !self.read_line()? {
                return Err(self.truncated());
            }
            if self.line.first() != Some(&b'$') {
                return Err(self.format("an argument is expected"));
            }
            let len = self.number("the length of an argument is missing")?;
            self.argument(len, into)?;
        }
        Ok(true)
    }

    fn argument(&mut self, len: u64, into: &mut CommandLine) -> Result<(), ReadError> {
        let start = into.bytes.len();
        into.bytes.reserve(usize::try_from(len).unwrap_or(RESERVED_MAX).min(RESERVED_MAX));
        let whole = len.saturating_add(2);
        let read = self.source.by_ref().take(whole).read_to_end(&mut into.bytes);
        let read = read.map_err(|error| ReadError::Io { offset: self.offset, error })? as u64;
        self.offset = self.offset.saturating_add(read);
        if read < whole {
            return Err(self.truncated());
        }
        let end = into.bytes.len().saturating_sub(2);
        into.bytes.truncate(end);
        into.spans.push(Span { start, end });
        Ok(())
    }

    /// Reads a line, without its end; false if the file has ended.
    fn read_line(&mut self) -> Result<bool, ReadError> {
        self.line.clear();
        let read = self.source.by_ref().take(LINE_LEN_MAX as u64).read_until(b'\n', &mut self.line);
        let read = read.map_err(|error| ReadError::Io { offset: self.offset, error })?;
        self.offset = self.offset.saturating_add(read as u64);
        if read == 0 {
            return Ok(false);
        }
        match self.line.pop() {
            Some(b'\n') => {
                self.line.pop_if(|last| *last == b'\r');
                Ok(true)
            }
            _ if read == LINE_LEN_MAX => Err(self.format("a line is too long")),
            // What it begins with already tells whether it can be the beginning of anything.
            _ if matches!(self.line.first(), Some(b'*' | b'$' | b'#') | None) => Err(self.truncated()),
            _ => Err(self.format("a command is expected")),
        }
    }

    fn number(&self, reason: &'static str) -> Result<u64, ReadError> {
        let digits = self.line.get(1..).unwrap_or_default();
        let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| self.format(reason))
    }

    fn truncated(&self) -> ReadError {
        ReadError::Truncated { offset: self.offset }
    }

    fn format(&self, reason: &'static str) -> ReadError {
        ReadError::Format { offset: self.offset, reason }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const TWO: &[u8] = b"#TS:1628217470\r\n*3\r\n$3\r\nset\r\n$1\r\na\r\n$4\r\n1\r\n2\r\n*1\r\n$4\r\nEXEC\r\n";

    fn read(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, u64, Option<ReadError>) {
        let (mut reader, mut line) = (Reader::new(bytes, 0), CommandLine::default());
        let (mut all, mut valid) = (Vec::new(), 0);
        loop {
            match reader.next(&mut line) {
                Ok(true) => all.push((0..line.spans.len()).map(|index| line.at(index).to_vec()).collect()),
                Ok(false) => return (all, valid, None),
                Err(error) => return (all, valid, Some(error)),
            }
            valid = reader.offset();
        }
    }

    #[test]
    fn it_reads_commands() {
        let (all, valid, error) = read(TWO);
        assert!(error.is_none());
        assert_eq!(all, [vec![b"set".to_vec(), b"a".to_vec(), b"1\r\n2".to_vec()], vec![b"EXEC".to_vec()]]);
        assert_eq!(valid, TWO.len() as u64);
    }

    #[test]
    fn every_shorter_file_is_truncated_or_whole() {
        let first = TWO.len() - b"*1\r\n$4\r\nEXEC\r\n".len();
        for len in 0..TWO.len() {
            let (all, valid, error) = read(&TWO[..len]);
            let is_whole = [0, b"#TS:1628217470\r\n".len(), first].contains(&len);
            assert_eq!(error.is_none(), is_whole, "{len}: {error:?}");
            assert!(error.is_none_or(|error| matches!(error, ReadError::Truncated { .. })), "{len}");
            assert_eq!((all.len(), valid), if len < first { (0, 0) } else { (1, first as u64) }, "{len}");
        }
    }

    #[test]
    fn other_forms_are_errors() {
        for bad in
            ["!!!", "set a 1\r\n", "*0\r\n", "*x\r\n", "*1\r\n+OK\r\n", "*1\r\n$x\r\n", "*-1\r\n", "*1\r\n$-1\r\n"]
        {
            let (_, _, error) = read(bad.as_bytes());
            assert!(matches!(error, Some(ReadError::Format { .. })), "{bad}: {error:?}");
        }
        let (_, _, error) = read(b"*1\r\n$9999999999999999999\r\nabc");
        assert!(matches!(error, Some(ReadError::Format { .. } | ReadError::Truncated { .. })), "{error:?}");
    }
}
