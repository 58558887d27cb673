//! Walking over all keys: SCAN, KEYS, RANDOMKEY.

use crate::args::{Argv, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::sync::ShardSet;
use ochre_store::{Type, keyspace};

const SCAN_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::READONLY,
    acl: AclCategories::KEYSPACE,
    lock: LockClass::Walk,
    group: Group::Generic,
    ..CommandSpec::BASE
};

/// KEYS
pub static KEYS: CommandSpec = CommandSpec {
    name: "keys",
    arity: 2,
    acl: AclCategories::DANGEROUS.with(AclCategories::KEYSPACE),
    lock: LockClass::All,
    complexity: "O(N), N being the keys of the database",
    summary: "Lists all keys that match a pattern.",
    syntax: "pattern",
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    handler: keys,
    ..SCAN_COMMAND
};

fn keys(context: &mut Context<'_>) -> CommandResult {
    Ok(())
}

/// RANDOMKEY
pub static RANDOMKEY: CommandSpec = CommandSpec {
    name: "randomkey",
    summary: "Returns some key of the database.",
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    handler: randomkey,
    ..SCAN_COMMAND
};

fn randomkey(context: &mut Context<'_>) -> CommandResult {
    Ok(())
}

/// SCAN
pub static SCAN: CommandSpec = CommandSpec {
    name: "scan",
    arity: -2,
    since: "2.8.0",
    complexity: "O(1) for a call; O(N) for a whole iteration over N keys",
    summary: "Walks over the keys of the database in steps.",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    changed_in: &["6.0.0"],
    handler: scan,
    ..SCAN_COMMAND
};

fn scan(context: &mut Context<'_>) -> CommandResult {
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&KEYS, &RANDOMKEY, &SCAN];

/// The arguments of SCAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ScanArgs<'a> {
    cursor: u64,
    /// About how many keys to look at.
    count: u64,
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
}

impl<'a> ScanArgs<'a> {
    fn parse(argv: Argv<'a>) -> Result<ScanArgs<'a>, CommandError> {
        let cursor = parse_cursor(argv.at(1)).ok_or(error::INVALID_CURSOR)?;
        let mut args = ScanArgs { cursor, count: 10, pattern: None, kind: None };
        let mut options = argv.cursor(2);
        while !options.is_done() {
            if options.remaining() < 2 {
                return Err(error::SYNTAX);
            }
            if options.token("COUNT") {
                let count = options.int()?;
                args.count = u64::try_from(count).ok().filter(|count| *count > 0).ok_or(error::SYNTAX)?;
            } else if options.token("MATCH") {
                args.pattern = Some(options.bytes()?).filter(|pattern| *pattern != b"*");
            } else if options.token("TYPE") {
                args.kind = Some(options.bytes()?);
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(args)
    }
}

/// An unsigned integer as strtoull reads it, with nothing behind it.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if !digits.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 8.2.3.
    #[test]
    fn cursors() {
        for (text, cursor) in [
            ("0", Some(0)),
            ("+0", Some(0)),
            (" 7", Some(7)),
            ("007", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("", None),
            ("++1", None),
            ("1x", None),
            ("1 ", None),
        ] {
            assert_eq!(parse_cursor(text.as_bytes()), cursor, "{text:?}");
        }
    }

    #[test]
    fn options() {
        let parse = |line: &str| {
            with_argv(line, |argv| {
                let args = ScanArgs::parse(argv).map_err(|error| error.text().into_owned())?;
                Ok((args.cursor, args.count, args.pattern.map(<[u8]>::to_vec), args.kind.map(<[u8]>::to_vec)))
            })
        };
        assert_eq!(parse("scan 5"), Ok((5, 10, None, None)));
        assert_eq!(
            parse("scan 0 match a* Count 3 type x"),
            Ok((0, 3, Some(b"a*".to_vec()), Some(b"x".to_vec())))
        );
        assert_eq!(parse("scan 0 match *"), Ok((0, 10, None, None)));
        for (line, text) in [
            ("scan abc", "ERR invalid cursor"),
            ("scan 0 foo", "ERR syntax error"),
            ("scan 0 count", "ERR syntax error"),
            ("scan 0 count 0", "ERR syntax error"),
            ("scan 0 count -1", "ERR syntax error"),
            ("scan 0 count abc", "ERR value is not an integer or out of range"),
            ("scan 0 type", "ERR syntax error"),
        ] {
            assert_eq!(parse(line), Err::<(u64, u64, Option<Vec<u8>>, Option<Vec<u8>>), _>(text.to_owned()), "{line}");
        }
    }
}
