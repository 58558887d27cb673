//! Walking over all keys: SCAN, KEYS, RANDOMKEY.

use crate::args::Argv;
use crate::command::{AclCategories, CommandSpec, Flags, Group, LockClass};
use crate::commands::generic::type_name;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use crate::glob;
use ochre_resp::reply::ReplyWriter;
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Error, Txn, Type, keyspace};

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
    let (db, pattern) = (context.db(), context.argv.at(1));
    let every = pattern == b"*";
    let reply = &mut context.reply;
    let list = reply.deferred_array();
    let mut count = 0;
    keyspace::keys(&mut context.txn, db, &mut |key, _| {
        if every || glob::matches(pattern, key, false) {
            reply.bulk(key);
            count += 1;
        }
    })?;
    reply.set_len(list, count);
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
    let db = context.db();
    for _ in 0..RANDOM_TRIES {
        let Some(shard) = keyspace::random_shard(&context.server.store, db, crate::random::number()) else { break };
        // None: everything in that shard has expired meanwhile.
        if let Some(key) = in_shard(context, shard, |txn| keyspace::random_key(txn, db, shard))? {
            context.reply.bulk(key);
            return Ok(());
        }
    }
    context.reply.null();
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
    let args = ScanArgs::parse(context.argv)?;
    let db = context.db();
    let mut found = Found { encoded: Vec::new(), shown: 0, visited: 0 };
    let mut cursor = args.cursor;
    loop {
        let shard = keyspace::scan_shard(&context.server.store, cursor);
        let count = args.count - found.visited;
        let protocol = context.reply.protocol();
        let step = in_shard(context, shard, |txn| {
            let mut list = ReplyWriter::new(&mut found.encoded, protocol);
            keyspace::scan(txn, db, cursor, count, &mut |key, kind| {
                found.visited += 1;
                if args.wants(key, kind) {
                    list.bulk(key);
                    found.shown += 1;
                }
            })
        });
        cursor = match step {
            // Later shards can wait for the next call.
            Err(CommandError::Contended(_)) if cursor != args.cursor => break,
            step => step?,
        };
        if cursor == 0 || found.visited >= args.count {
            break;
        }
    }
    context.reply.array(2);
    context.reply.bulk(itoa::Buffer::new().format(cursor));
    context.reply.array(found.shown);
    context.reply.encoded(&found.encoded, found.shown);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&KEYS, &RANDOMKEY, &SCAN];

/// Times RANDOMKEY looks for a shard that has live keys.
const RANDOM_TRIES: usize = 100;

/// Runs `action` on one shard: within the locks of the command where they hold it, else under its own lock.
///
/// # Errors
/// [`CommandError::Contended`] if the shard is locked by another; nothing has happened then.
fn in_shard<R>(
    context: &mut Context<'_>,
    shard: usize,
    mut action: impl FnMut(&mut Txn<'_>) -> Result<R, Error>,
) -> Result<R, CommandError> {
    match action(&mut context.txn) {
        Err(Error::NotLocked) => {}
        done => return done.map_err(CommandError::Store),
    }
    let slice = context.slice.ok_or(CommandError::Store(Error::NotLocked))?;
    let mut guard = slice.try_lock(ShardSet::one(shard)).ok_or(CommandError::Contended(shard))?;
    let (clock, access) = (Clock { now_ms: context.txn.now_ms() }, context.txn.access());
    let mut txn = Txn::new(&context.server.store, &mut guard, clock, context.txn.effects(), access);
    action(&mut txn).map_err(CommandError::Store)
}

/// What SCAN has found so far.
struct Found {
    /// The keys to be shown, as replies.
    encoded: Vec<u8>,
    shown: usize,
    visited: usize,
}

/// The arguments of SCAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ScanArgs<'a> {
    cursor: u64,
    /// About how many keys to look at.
    count: usize,
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
                args.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(error::SYNTAX)?;
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

    fn wants(&self, key: &[u8], kind: Type) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, key, false))
            && self.kind.is_none_or(|name| name.eq_ignore_ascii_case(type_name(kind).as_bytes()))
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
        assert_eq!(parse("scan 0 match a* Count 3 type x"), Ok((0, 3, Some(b"a*".to_vec()), Some(b"x".to_vec()))));
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
            assert_eq!(
                parse(line),
                Err::<(u64, usize, Option<Vec<u8>>, Option<Vec<u8>>), _>(text.to_owned()),
                "{line}"
            );
        }
    }
}
