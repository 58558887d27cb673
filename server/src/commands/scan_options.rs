//! What SCAN, SSCAN, HSCAN and ZSCAN have in common: their arguments, and the page of a collection that one call shows.

use crate::args::Argv;
use crate::config::Level;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::glob;
use ochre_resp::reply::{Protocol, ReplyWriter};
use ochre_store::{Error, Key, Str, Txn, Type, keyspace};

/// What is walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// The keys of the database.
    Keys,
    /// The members of a set.
    Set,
    /// The fields of a hash.
    Hash,
    /// The members of a sorted set.
    SortedSet,
}

/// The options behind the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanOptions<'a> {
    /// About how many elements to look at, at least 1.
    pub(super) count: usize,
    /// What names must match.
    pub(super) pattern: Option<&'a [u8]>,
    /// The type that keys must have.
    pub(super) kind: Option<&'a [u8]>,
    /// Whether the names alone are shown.
    pub(super) names_only: bool,
}

impl<'a> ScanOptions<'a> {
    /// The options from argument `from` on. `later` tells whether those that Redis 7.2 does not have are known.
    ///
    /// # Errors
    /// A syntax error, a COUNT that is no integer, an option of another walk.
    pub(super) fn parse(argv: Argv<'a>, from: usize, walk: Walk, later: bool) -> Result<Self, CommandError> {
        let mut args = ScanOptions { count: 10, pattern: None, kind: None, names_only: false };
        let mut options = argv.cursor(from);
        while !options.is_done() {
            if later && options.token("NOVALUES") {
                args.names_only = if walk == Walk::Hash { true } else { return Err(error::NOVALUES_ELSEWHERE) };
            } else if later && options.token("NOSCORES") {
                args.names_only = if walk == Walk::SortedSet { true } else { return Err(error::NOSCORES_ELSEWHERE) };
            } else if options.remaining() < 2 {
                return Err(error::SYNTAX);
            } else if options.token("COUNT") {
                let count = options.int()?;
                args.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(error::SYNTAX)?;
            } else if options.token("MATCH") {
                args.pattern = Some(options.bytes()?).filter(|pattern| *pattern != b"*");
            } else if walk == Walk::Keys && options.token("TYPE") {
                args.kind = Some(options.bytes()?);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(args)
    }

    /// Whether a name matches the pattern.
    pub(super) fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name, false))
    }
}

/// An unsigned integer as strtoull reads it, with nothing behind it.
///
/// # Errors
/// "invalid cursor".
pub(super) fn parse_cursor(text: &[u8], level: Level) -> Result<u64, CommandError> {
    let as_strtoul = level.reads_cursors_as_strtoul();
    let digits = if as_strtoul { text } else { text.trim_ascii_start() };
    if as_strtoul && digits.is_empty() {
        return Ok(0);
    }
    let (is_negative, digits) = match digits {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(digits).ok().filter(|_| is_number).and_then(|digits| digits.parse().ok());
    let cursor = number.map(|number: u64| if is_negative { number.wrapping_neg() } else { number });
    // What such a number wraps to is beyond what was ever handed out.
    cursor.filter(|cursor| as_strtoul || !is_negative || *cursor < 1 << 63).ok_or(error::INVALID_CURSOR)
}

/// The elements that one call shows: those that match are encoded as they are found.
pub(super) struct Page<'a> {
    options: ScanOptions<'a>,
    protocol: Protocol,
    encoded: Vec<u8>,
    replies: usize,
}

impl Page<'_> {
    /// About how many elements to look at; a value in a compact encoding is shown whole.
    pub(super) fn count(&self) -> usize {
        self.options.count
    }

    /// Shows a member that matches.
    pub(super) fn member(&mut self, member: Str<'_>) {
        if self.wants(member) {
            self.push(member);
        }
    }

    /// Shows a field or scored member that matches, with its value unless NOVALUES or NOSCORES was given. Scores are
    /// text here.
    pub(super) fn pair(&mut self, name: Str<'_>, value: Str<'_>) {
        if self.wants(name) {
            self.push(name);
            if !self.options.names_only {
                self.push(value);
            }
        }
    }

    fn wants(&self, name: Str<'_>) -> bool {
        let Some(pattern) = self.options.pattern else { return true };
        match name {
            Str::Bytes(name) => glob::matches(pattern, name, false),
            Str::Int(name) => glob::matches(pattern, itoa::Buffer::new().format(name).as_bytes(), false),
        }
    }

    fn push(&mut self, value: Str<'_>) {
        let mut writer = ReplyWriter::new(&mut self.encoded, self.protocol);
        match value {
            Str::Bytes(bytes) => writer.bulk(bytes),
            Str::Int(number) => writer.bulk_int(number),
        }
        self.replies += 1;
    }
}

/// SSCAN, HSCAN and ZSCAN: `key cursor [options]`. `scan` looks the key up, hands elements from the cursor on to the page
/// and returns the next cursor (0 after the last part; all of a value in a compact encoding is one part), or `None`
/// where there is no such key. It errs with `WrongType`.
///
/// # Errors
/// As servers check them: the cursor, the type of the key, and where there is such a key the options.
pub(super) fn scan_collection(
    context: &mut Context<'_>,
    walk: Walk,
    scan: impl FnOnce(&mut Txn<'_>, usize, Key<'_>, u64, &mut Page<'_>) -> Result<Option<u64>, Error>,
) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let level = context.server.config().compatibility_level;
    let cursor = parse_cursor(context.argv.at(2), level)?;
    let later = level.has_later_scan_options();
    let options = match ScanOptions::parse(context.argv, 3, walk, later) {
        Ok(options) => options,
        Err(error) => {
            return match keyspace::type_of(&mut context.txn, db, key)? {
                Some(kind) if kind != type_of(walk) => Err(Error::WrongType.into()),
                Some(_) => Err(error),
                None => {
                    reply(context, 0, 0, &[]);
                    Ok(())
                }
            };
        }
    };
    let protocol = context.reply.protocol();
    let mut page = Page { options, protocol, encoded: Vec::new(), replies: 0 };
    let next = scan(&mut context.txn, db, key, cursor, &mut page)?.unwrap_or(0);
    reply(context, next, page.replies, &page.encoded);
    Ok(())
}

fn reply(context: &mut Context<'_>, cursor: u64, replies: usize, encoded: &[u8]) {
    context.reply.array(2);
    context.reply.bulk(itoa::Buffer::new().format(cursor));
    context.reply.array(replies);
    context.reply.encoded(encoded, replies);
}

fn type_of(walk: Walk) -> Type {
    match walk {
        Walk::Keys => Type::String,
        Walk::Set => Type::Set,
        Walk::Hash => Type::Hash,
        Walk::SortedSet => Type::SortedSet,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 8.2.3 and Valkey 9.1.2, and of Redis 7.0.15.
    #[test]
    fn cursors() {
        for (text, cursor, old) in [
            ("0", Some(0), Some(0)),
            ("+0", Some(0), Some(0)),
            ("-0", Some(0), Some(0)),
            (" 7", Some(7), None),
            ("\t7", Some(7), None),
            ("007", Some(7), Some(7)),
            ("18446744073709551615", Some(u64::MAX), Some(u64::MAX)),
            ("18446744073709551616", None, None),
            ("-18446744073709551616", None, None),
            ("-18446744073709551615", Some(1), Some(1)),
            ("-9223372036854775808", None, Some(1 << 63)),
            ("-1", None, Some(u64::MAX)),
            ("- 1", None, None),
            ("", None, Some(0)),
            ("+", None, None),
            ("++1", None, None),
            ("1x", None, None),
            ("1 ", None, None),
        ] {
            assert_eq!(parse_cursor(text.as_bytes(), Level::Native).ok(), cursor, "{text:?}");
            assert_eq!(parse_cursor(text.as_bytes(), Level::V7_0).ok(), old, "{text:?}");
        }
    }

    type Parsed = (usize, Option<Vec<u8>>, Option<Vec<u8>>, bool);

    fn parse(line: &str, from: usize, walk: Walk, later: bool) -> Result<Parsed, String> {
        with_argv(line, |argv| {
            let args = ScanOptions::parse(argv, from, walk, later).map_err(|error| error.text().into_owned())?;
            let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
            Ok((args.count, owned(args.pattern), owned(args.kind), args.names_only))
        })
    }

    #[test]
    fn options_of_scan() {
        let parse = |line| parse(line, 2, Walk::Keys, true);
        assert_eq!(parse("scan 5"), Ok((10, None, None, false)));
        let all = Ok((3, Some(b"a*".to_vec()), Some(b"x".to_vec()), false));
        assert_eq!(parse("scan 0 match a* Count 3 type x"), all);
        assert_eq!(parse("scan 0 match *"), Ok((10, None, None, false)));
        for (line, text) in [
            ("scan 0 foo", "ERR syntax error"),
            ("scan 0 count", "ERR syntax error"),
            ("scan 0 count 0", "ERR syntax error"),
            ("scan 0 count -1", "ERR syntax error"),
            ("scan 0 count abc", "ERR value is not an integer or out of range"),
            ("scan 0 type", "ERR syntax error"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn options_of_collections() {
        assert_eq!(parse("hscan k 0 novalues count 5", 3, Walk::Hash, true), Ok((5, None, None, true)));
        assert_eq!(parse("zscan k 0 noscores", 3, Walk::SortedSet, true), Ok((10, None, None, true)));
        for (line, walk, later, text) in [
            ("hscan k 0 type hash", Walk::Hash, true, "ERR syntax error"),
            ("hscan k 0 novalues", Walk::Hash, false, "ERR syntax error"),
            ("zscan k 0 noscores", Walk::SortedSet, false, "ERR syntax error"),
            ("zscan k 0 novalues", Walk::SortedSet, true, "ERR NOVALUES option can only be used in HSCAN"),
            ("hscan k 0 noscores", Walk::Hash, true, "ERR NOSCORES option can only be used in ZSCAN"),
        ] {
            assert_eq!(parse(line, 3, walk, later), Err(text.to_owned()), "{line}");
        }
    }
}
