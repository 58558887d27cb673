//! LCS: the longest common subsequence of two strings.

use crate::args::Argv;
use crate::command::{AclCategories, Begin, CommandSpec, Find, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::string::{self, Lcs};
use ochre_store::{Error, Key};
use std::sync::atomic::Ordering::Relaxed;

/// LCS
pub static LCS: CommandSpec = CommandSpec {
    name: "lcs",
    arity: -3,
    flags: Flags::READONLY,
    acl: AclCategories::STRING,
    keys: &[KeySpec {
        flags: KeyFlags::RO.with(KeyFlags::ACCESS),
        begin: Begin::Index(1),
        find: Find::Range { last: 1, step: 1, limit: 0 },
    }],
    lock: LockClass::Keys,
    since: "7.0.0",
    group: Group::String,
    complexity: "O(N*M), N and M being the lengths of the strings",
    summary: "Finds the longest common subsequence of two strings.",
    syntax: "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
    handler: lcs,
    ..CommandSpec::BASE
};

fn lcs(context: &mut Context<'_>) -> CommandResult {
    let (first, second) = (context.key(1), context.key(2));
    let (first, second) = (read(context, first)?, read(context, second)?);
    let args = LcsArgs::parse(context.argv)?;
    let bytes_max = context.txn.settings().proto_max_bulk_len.load(Relaxed);
    let found = string::lcs(&first, &second, bytes_max).map_err(|_| error::LCS_MEMORY)?;
    match args.show {
        Show::Text => context.reply.bulk(found.bytes),
        Show::Length => context.reply.int(found.len as i64),
        Show::Matches => write_matches(&mut context.reply, &found, args),
    }
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&LCS];

/// A copy of the string at `key`, empty where there is none.
fn read(context: &mut Context<'_>, key: Key<'_>) -> Result<Vec<u8>, CommandError> {
    let db = context.db();
    match string::get(&mut context.txn, db, key) {
        Ok(value) => Ok(value.map(|value| value.to_vec()).unwrap_or_default()),
        Err(Error::WrongType) => Err(error::LCS_NOT_STRINGS),
        Err(error) => Err(error.into()),
    }
}

fn write_matches(reply: &mut ReplyWriter<'_>, found: &Lcs, args: LcsArgs) {
    let shown = |len: usize| len as u64 >= args.match_len_min;
    reply.map(2);
    reply.bulk("matches");
    reply.array(found.matches.iter().filter(|part| shown(part.len())).count());
    for part in found.matches.iter().filter(|part| shown(part.len())) {
        reply.array(2 + usize::from(args.with_match_len));
        for (from, to) in [part.first, part.second] {
            reply.array(2);
            reply.int(from as i64);
            reply.int(to as i64);
        }
        if args.with_match_len {
            reply.int(part.len() as i64);
        }
    }
    reply.bulk("len");
    reply.int(found.len as i64);
}

/// What the reply tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Text,
    Length,
    Matches,
}

/// The options of LCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LcsArgs {
    show: Show,
    /// Shorter matches are not shown.
    match_len_min: u64,
    with_match_len: bool,
}

impl LcsArgs {
    fn parse(argv: Argv<'_>) -> Result<LcsArgs, CommandError> {
        let mut cursor = argv.cursor(3);
        let (mut length, mut matches) = (false, false);
        let mut args = LcsArgs { show: Show::Text, match_len_min: 0, with_match_len: false };
        while !cursor.is_done() {
            if cursor.token("LEN") {
                length = true;
            } else if cursor.token("IDX") {
                matches = true;
            } else if cursor.token("WITHMATCHLEN") {
                args.with_match_len = true;
            } else if cursor.token("MINMATCHLEN") {
                args.match_len_min = u64::try_from(cursor.int()?).unwrap_or(0);
            } else {
                return Err(error::SYNTAX);
            }
        }
        args.show = match (length, matches) {
            (true, true) => return Err(error::LCS_LENGTH_AND_MATCHES),
            (true, false) => Show::Length,
            (false, true) => Show::Matches,
            (false, false) => Show::Text,
        };
        Ok(args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15 and Valkey 9.1.2.
    #[test]
    fn options() {
        let parse =
            |line: &str| with_argv(line, |argv| LcsArgs::parse(argv).map_err(|error| error.text().into_owned()));
        let args = |show, match_len_min, with_match_len| Ok(LcsArgs { show, match_len_min, with_match_len });
        assert_eq!(parse("lcs a b"), args(Show::Text, 0, false));
        assert_eq!(parse("lcs a b len len"), args(Show::Length, 0, false));
        assert_eq!(parse("lcs a b Idx MinMatchLen 4 WithMatchLen"), args(Show::Matches, 4, true));
        assert_eq!(parse("lcs a b idx minmatchlen -1"), args(Show::Matches, 0, false));
        for (line, text) in [
            ("lcs a b foo", "ERR syntax error"),
            ("lcs a b minmatchlen", "ERR syntax error"),
            ("lcs a b minmatchlen x", "ERR value is not an integer or out of range"),
            ("lcs a b len idx", "ERR If you want both the length and indexes, please just use IDX."),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }
}
