//! The snapshot that a replica is sent before the stream.
//!
//! It is announced by a line, `$` and its length, or `$EOF:` and forty bytes that will follow its end. Empty lines may come
//! before that line, while the primary prepares the snapshot.

/// Bytes of the mark that ends a snapshot without a length.
pub const MARK_LEN: usize = 40;

/// What a line before the snapshot says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Header {
    /// That the primary is there.
    Nothing,
    /// How the snapshot comes.
    Begins(Body),
}

/// Why the line before the snapshot cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The primary cannot go on.
    #[error("MASTER aborted replication with an error: {0}")]
    Aborted(String),
    /// It is none of the known forms.
    #[error(
        "Bad protocol from MASTER, the first byte is not '$' (we received '{0}'), are you sure the host and port are right?"
    )]
    Unknown(String),
}

/// A snapshot on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    end: End,
    /// Bytes of it that have come.
    received: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// After so many bytes in all.
    At(u64),
    /// Where the mark comes; and what may be the begin of it.
    Mark { mark: Vec<u8>, held: Vec<u8> },
}

impl Header {
    /// Reads a line, without its end.
    ///
    /// # Errors
    /// If it is nothing that can stand before a snapshot.
    pub fn parse(line: &[u8]) -> Result<Header, Malformed> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        match line {
            [] => return Ok(Header::Nothing),
            [b'-', why @ ..] => return Err(Malformed::Aborted(text(why))),
            _ => {}
        }
        let announced = line.strip_prefix(b"$").ok_or_else(|| Malformed::Unknown(text(line)))?;
        let end = match announced.strip_prefix(b"EOF:") {
            Some(mark) => {
                let mark = mark.get(..MARK_LEN).ok_or_else(|| Malformed::Unknown(text(line)))?;
                End::Mark { mark: mark.to_vec(), held: Vec::new() }
            }
            None => {
                let len = std::str::from_utf8(announced).ok().and_then(|digits| digits.parse().ok());
                End::At(len.ok_or_else(|| Malformed::Unknown(text(line)))?)
            }
        };
        Ok(Header::Begins(Body { end, received: 0 }))
    }
}

impl Body {
    /// How long it is, if that was said.
    pub fn len(&self) -> Option<u64> {
        match self.end {
            End::At(len) => Some(len),
            End::Mark { .. } => None,
        }
    }
    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
    /// The mark that ends it, where its length was not said.
    pub fn mark(&self) -> Option<&[u8]> {
        match &self.end {
            End::At(_) => None,
            End::Mark { mark, .. } => Some(mark),
        }
    }
    /// Bytes of it that have come.
    pub fn received(&self) -> u64 {
        self.received
    }
    /// Takes what has come, and hands on what of it is known to be part of the snapshot. If that ends here: how many bytes of
    /// `input` belong to it, its mark included.
    pub fn take(&mut self, input: &[u8], hand_on: &mut dyn FnMut(&[u8])) -> Option<usize> {
        match &mut self.end {
            End::At(len) => {
                let left = usize::try_from(len.saturating_sub(self.received)).unwrap_or(usize::MAX);
                let taken = input.get(..left).unwrap_or(input);
                self.received = self.received.saturating_add(taken.len() as u64);
                if !taken.is_empty() {
                    hand_on(taken);
                }
                (self.received >= *len).then_some(taken.len())
            }
            End::Mark { mark, held } => {
                let before = held.len();
                held.extend_from_slice(input);
                let found = held.windows(MARK_LEN).position(|window| window == mark.as_slice());
                let known = found.unwrap_or(held.len().saturating_sub(MARK_LEN.saturating_sub(1)));
                self.received = self.received.saturating_add(known as u64);
                if known > 0 {
                    hand_on(held.get(..known).unwrap_or_default());
                }
                held.drain(..known);
                found.map(|begin| begin.saturating_add(MARK_LEN).saturating_sub(before))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(line: &str) -> Body {
        match Header::parse(line.as_bytes()).unwrap() {
            Header::Begins(body) => body,
            Header::Nothing => panic!("nothing begins"),
        }
    }

    /// All that is handed on, and what is left, for an input in pieces of a size.
    fn taken(line: &str, input: &[u8], size: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut body, mut all, mut at) = (body(line), Vec::new(), 0);
        for piece in input.chunks(size) {
            if let Some(consumed) = body.take(piece, &mut |bytes| all.extend_from_slice(bytes)) {
                assert_eq!(body.received(), all.len() as u64);
                return (all, input[at + consumed..].to_vec());
            }
            at += piece.len();
        }
        panic!("it does not end");
    }

    #[test]
    fn both_forms_end_where_they_end() {
        let mark = "0123456789abcdef0123456789abcdef01234567";
        let data = "012345012345670123456789abcdef0123456789abcdef0123456x-data";
        let marked = format!("{data}{mark}*1\r\n");
        let sized = format!("{data}*1\r\n");
        for size in [1, 2, 7, 39, 40, 41, 1000] {
            let expected = (data.as_bytes().to_vec(), b"*1\r\n".to_vec());
            assert_eq!(taken(&format!("$EOF:{mark}"), marked.as_bytes(), size), expected, "{size}");
            assert_eq!(taken(&format!("${}\r", data.len()), sized.as_bytes(), size), expected, "{size}");
        }
        assert_eq!(body("$0").take(b"*1", &mut |_| panic!()), Some(0));
    }

    #[test]
    fn other_lines_are_refused() {
        assert_eq!(Header::parse(b"\r"), Ok(Header::Nothing));
        assert_eq!(Header::parse(b"-ERR full"), Err(Malformed::Aborted("ERR full".into())));
        for line in ["+OK", "$", "$-1", "$EOF:short", "$18446744073709551616"] {
            assert_eq!(Header::parse(line.as_bytes()), Err(Malformed::Unknown(line.into())), "{line}");
        }
    }
}
