//! Intersections, unions and differences of sets.

use super::set::SET_COMMAND;
use super::string::write_str;
use crate::args::Argv;
use crate::command::{Begin, CommandSpec, Find, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::set::{self, Sources};
use ochre_store::{Error, Key, Str, Txn};

/// Commands that return members.
const READ_COMMAND: CommandSpec = CommandSpec {
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::rest(1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    syntax: "key [key ...]",
    tips: &["nondeterministic_output_order"],
    ..SET_COMMAND
};

/// Commands that put them under a key.
const STORE_COMMAND: CommandSpec = CommandSpec {
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)),
        KeySpec::rest(2, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
    ],
    syntax: "destination key [key ...]",
    ..SET_COMMAND
};

const INTERSECTION_COST: &str = "O(N*M), N being the members of the smallest set and M the number of sets";
const SUM_COST: &str = "O(N), N being the members of all sets";

/// SINTER
pub static SINTER: CommandSpec = CommandSpec {
    name: "sinter",
    complexity: INTERSECTION_COST,
    summary: "Returns the members that all sets have.",
    handler: sinter,
    ..READ_COMMAND
};

fn sinter(context: &mut Context<'_>) -> CommandResult {
    combine(context, |sources, show| {
        sources.intersection(|member| {
            show(member);
            true
        });
    })
}

/// SINTERSTORE
pub static SINTERSTORE: CommandSpec = CommandSpec {
    name: "sinterstore",
    complexity: INTERSECTION_COST,
    summary: "Puts the members that all sets have under a key.",
    handler: |context| store(context, set::store_intersection),
    ..STORE_COMMAND
};

/// SINTERCARD
pub static SINTERCARD: CommandSpec = CommandSpec {
    name: "sintercard",
    arity: -3,
    keys: &[KeySpec {
        flags: KeyFlags::RO.with(KeyFlags::ACCESS),
        begin: Begin::Index(1),
        find: Find::KeyNum { count: 0, first: 1, step: 1 },
    }],
    since: "7.0.0",
    complexity: INTERSECTION_COST,
    summary: "Counts the members that all sets have, as far as a limit.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    tips: &[],
    handler: sintercard,
    ..READ_COMMAND
};

fn sintercard(context: &mut Context<'_>) -> CommandResult {
    let (end, limit) = parse_sintercard(context.argv)?;
    let (db, keys) = (context.db(), keys(context, 2, end));
    let mut count = 0;
    set::sources(&mut context.txn, db, &keys)?.intersection(|_| {
        count += 1;
        count != limit
    });
    context.reply.int(count as i64);
    Ok(())
}

/// SUNION
pub static SUNION: CommandSpec = CommandSpec {
    name: "sunion",
    complexity: SUM_COST,
    summary: "Returns the members that any set has.",
    handler: |context| combine(context, |sources, show| sources.union(show)),
    ..READ_COMMAND
};

/// SUNIONSTORE
pub static SUNIONSTORE: CommandSpec = CommandSpec {
    name: "sunionstore",
    complexity: SUM_COST,
    summary: "Puts the members that any set has under a key.",
    handler: |context| store(context, set::store_union),
    ..STORE_COMMAND
};

/// SDIFF
pub static SDIFF: CommandSpec = CommandSpec {
    name: "sdiff",
    complexity: SUM_COST,
    summary: "Returns the members that the first set has and no other.",
    handler: |context| combine(context, |sources, show| sources.difference(show)),
    ..READ_COMMAND
};

/// SDIFFSTORE
pub static SDIFFSTORE: CommandSpec = CommandSpec {
    name: "sdiffstore",
    complexity: SUM_COST,
    summary: "Puts the members that the first set has and no other under a key.",
    handler: |context| store(context, set::store_difference),
    ..STORE_COMMAND
};

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&SINTER, &SINTERSTORE, &SINTERCARD, &SUNION, &SUNIONSTORE, &SDIFF, &SDIFFSTORE];

/// The arguments from `start` up to `end` as keys.
fn keys<'c>(context: &Context<'c>, start: usize, end: usize) -> Vec<Key<'c>> {
    (start..end).map(|index| context.key(index)).collect()
}

/// Replies with the members that `combine` shows of the sets of all arguments.
fn combine(context: &mut Context<'_>, combine: impl FnOnce(&Sources<'_>, &mut dyn FnMut(Str<'_>))) -> CommandResult {
    let (db, keys) = (context.db(), keys(context, 1, context.argv.len()));
    let sources = set::sources(&mut context.txn, db, &keys)?;
    let reply = &mut context.reply;
    let list = reply.deferred_set();
    let mut count = 0;
    combine(&sources, &mut |member| {
        write_str(reply, member);
        count += 1;
    });
    reply.set_len(list, count);
    Ok(())
}

type Store = for<'t, 'k> fn(&mut Txn<'t>, usize, Key<'k>, &[Key<'k>]) -> Result<usize, Error>;

/// Replies with how many members `store` puts under the first argument from the sets of the others.
fn store(context: &mut Context<'_>, store: Store) -> CommandResult {
    let (db, to, keys) = (context.db(), context.key(1), keys(context, 2, context.argv.len()));
    let len = store(&mut context.txn, db, to, &keys)?;
    context.reply.int(len as i64);
    Ok(())
}

/// Where the keys of `SINTERCARD numkeys key… [LIMIT limit]` end, and the limit; 0: none.
fn parse_sintercard(argv: Argv<'_>) -> Result<(usize, usize), CommandError> {
    let numkeys = argv.cursor(1).int_in(1, i64::MAX, error::NUMKEYS_NOT_POSITIVE)? as usize;
    if numkeys > argv.len() - 2 {
        return Err(error::TOO_MANY_KEYS);
    }
    let end = numkeys + 2;
    let mut options = argv.cursor(end);
    let mut limit = 0;
    while !options.is_done() {
        if options.remaining() < 2 || !options.token("LIMIT") {
            return Err(error::SYNTAX);
        }
        limit = options.int_in(0, i64::MAX, error::NEGATIVE_LIMIT)? as usize;
    }
    Ok((end, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    // Replies of Redis 7.0.15.
    #[test]
    fn sintercard_arguments() {
        let parse =
            |line: &str| with_argv(line, |argv| parse_sintercard(argv).map_err(|error| error.text().into_owned()));
        assert_eq!(parse("sintercard 1 a"), Ok((3, 0)));
        assert_eq!(parse("sintercard 2 a b limit 5 LIMIT 7"), Ok((4, 7)));
        for (line, text) in [
            ("sintercard 0 a", "ERR numkeys should be greater than 0"),
            ("sintercard x a", "ERR numkeys should be greater than 0"),
            ("sintercard 2 a", "ERR Number of keys can't be greater than number of args"),
            ("sintercard 1 a limit", "ERR syntax error"),
            ("sintercard 1 a b", "ERR syntax error"),
            ("sintercard 1 a limit -1", "ERR LIMIT can't be negative"),
            ("sintercard 1 a limit x", "ERR LIMIT can't be negative"),
        ] {
            assert_eq!(parse(line), Err(text.to_owned()), "{line}");
        }
    }
}
