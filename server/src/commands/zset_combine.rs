//! Unions, intersections and differences of sorted sets.

use super::string::write_str;
use super::zset::ZSET_COMMAND;
use super::zset_number::score;
use super::zset_range::{begin_pair, begin_scored};
use crate::args::Cursor;
use crate::command::{Begin, CommandSpec, Find, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::Key;
use ochre_store::sorted_set::{self, Aggregate, Combination, Combine};

const fn sources(index: u16) -> KeySpec {
    KeySpec {
        flags: KeyFlags::RO.with(KeyFlags::ACCESS),
        begin: Begin::Index(index),
        find: Find::KeyNum { count: 0, first: 1, step: 1 },
    }
}

const COMBINE_COMMAND: CommandSpec = CommandSpec {
    arity: -3,
    flags: Flags::READONLY,
    keys: &[sources(1)],
    since: "6.2.0",
    complexity: "O(N*K)+O(M*log(M)), K being the number of keys, N the size of the smallest and M that of the result",
    syntax: "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM|MIN|MAX>] [WITHSCORES]",
    ..ZSET_COMMAND
};

const STORE_COMMAND: CommandSpec = CommandSpec {
    arity: -4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)), sources(2)],
    since: "2.0.0",
    complexity: "O(N*K)+O(M*log(M)), K being the number of keys, N the size of the smallest and M that of the result",
    syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM|MIN|MAX>]",
    ..ZSET_COMMAND
};

/// ZUNION
pub static ZUNION: CommandSpec = CommandSpec {
    name: "zunion",
    complexity: "O(N)+O(M*log(M)), N being the size of all sources and M that of the result",
    summary: "Returns the members of any of several sorted sets.",
    handler: |context| reply_combined(context, Combine::Union),
    ..COMBINE_COMMAND
};

/// ZINTER
pub static ZINTER: CommandSpec = CommandSpec {
    name: "zinter",
    summary: "Returns the members that several sorted sets have in common.",
    handler: |context| reply_combined(context, Combine::Intersection),
    ..COMBINE_COMMAND
};

/// ZDIFF
pub static ZDIFF: CommandSpec = CommandSpec {
    name: "zdiff",
    complexity: "O(L+(N-K)*log(N)), L being the size of all sources, N that of the first and K that of the result",
    summary: "Returns the members of the first of several sorted sets that the others lack.",
    syntax: "numkeys key [key ...] [WITHSCORES]",
    handler: |context| reply_combined(context, Combine::Difference),
    ..COMBINE_COMMAND
};

fn reply_combined(context: &mut Context<'_>, operation: Combine) -> CommandResult {
    let (keys, mut cursor) = parse_keys(context, 1)?;
    let db = context.db();
    sorted_set::check_sources(&mut context.txn, db, &keys)?;
    let args = CombineArgs::parse(context, &mut cursor, keys.len(), operation, false)?;
    let combination = args.combination(operation, &keys);
    let result = sorted_set::combine(&context.txn, db, &combination)?;
    let reply = &mut context.reply;
    if !args.with_scores {
        reply.array(result.len());
        result.into_iter().for_each(|(member, _)| write_str(reply, member));
        return Ok(());
    }
    begin_scored(reply, result.len());
    for (member, score) in result {
        begin_pair(reply);
        write_str(reply, member);
        reply.double(score);
    }
    Ok(())
}

/// ZUNIONSTORE
pub static ZUNIONSTORE: CommandSpec = CommandSpec {
    name: "zunionstore",
    complexity: "O(N)+O(M*log(M)), N being the size of all sources and M that of the result",
    summary: "Stores the members of any of several sorted sets.",
    handler: |context| store_combined(context, Combine::Union),
    ..STORE_COMMAND
};

/// ZINTERSTORE
pub static ZINTERSTORE: CommandSpec = CommandSpec {
    name: "zinterstore",
    summary: "Stores the members that several sorted sets have in common.",
    handler: |context| store_combined(context, Combine::Intersection),
    ..STORE_COMMAND
};

/// ZDIFFSTORE
pub static ZDIFFSTORE: CommandSpec = CommandSpec {
    name: "zdiffstore",
    since: "6.2.0",
    complexity: "O(L+(N-K)*log(N)), L being the size of all sources, N that of the first and K that of the result",
    summary: "Stores the members of the first of several sorted sets that the others lack.",
    syntax: "destination numkeys key [key ...]",
    handler: |context| store_combined(context, Combine::Difference),
    ..STORE_COMMAND
};

fn store_combined(context: &mut Context<'_>, operation: Combine) -> CommandResult {
    let (keys, mut cursor) = parse_keys(context, 2)?;
    let (db, destination) = (context.db(), context.key(1));
    sorted_set::check_sources(&mut context.txn, db, &keys)?;
    let args = CombineArgs::parse(context, &mut cursor, keys.len(), operation, true)?;
    let stored = sorted_set::store_combined(&mut context.txn, db, destination, &args.combination(operation, &keys))?;
    context.reply.int(stored as i64);
    Ok(())
}

/// ZINTERCARD
pub static ZINTERCARD: CommandSpec = CommandSpec {
    name: "zintercard",
    since: "7.0.0",
    complexity: "O(N*K), K being the number of keys and N the size of the smallest",
    summary: "Counts the members that several sorted sets have in common.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    handler: zintercard,
    ..COMBINE_COMMAND
};

fn zintercard(context: &mut Context<'_>) -> CommandResult {
    let (keys, mut cursor) = parse_keys(context, 1)?;
    let db = context.db();
    sorted_set::check_sources(&mut context.txn, db, &keys)?;
    let mut limit = 0;
    while !cursor.is_done() {
        if cursor.remaining() < 2 || !cursor.token("LIMIT") {
            return Err(error::SYNTAX);
        }
        limit = cursor.int_in(0, i64::MAX, error::NEGATIVE_LIMIT)?;
    }
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let count = sorted_set::count_common(&context.txn, db, &keys, limit)?;
    context.reply.int(count as i64);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&ZUNION, &ZINTER, &ZDIFF, &ZUNIONSTORE, &ZINTERSTORE, &ZDIFFSTORE, &ZINTERCARD];

/// The keys that follow their number, and what follows them.
fn parse_keys<'c>(context: &Context<'c>, numkeys: usize) -> Result<(Vec<Key<'c>>, Cursor<'c>), CommandError> {
    let count = context.argv.cursor(numkeys).int()?;
    if count < 1 {
        return Err(error::no_input_keys(context.command.spec.name));
    }
    let first = numkeys + 1;
    let end = usize::try_from(count).ok().and_then(|count| first.checked_add(count));
    let Some(end) = end.filter(|end| *end <= context.argv.len()) else { return Err(error::SYNTAX) };
    Ok(((first..end).map(|index| context.key(index)).collect(), context.argv.cursor(end)))
}

/// The arguments behind the keys.
struct CombineArgs {
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
}

impl CombineArgs {
    fn parse(
        context: &Context<'_>,
        cursor: &mut Cursor<'_>,
        keys: usize,
        operation: Combine,
        stores: bool,
    ) -> Result<CombineArgs, CommandError> {
        let mut args = CombineArgs { weights: Vec::new(), aggregate: Aggregate::Sum, with_scores: false };
        let weighs = operation != Combine::Difference;
        let level = || context.server.config().compatibility_level;
        while !cursor.is_done() {
            if weighs && cursor.remaining() > keys && cursor.token("WEIGHTS") {
                args.weights.clear();
                for _ in 0..keys {
                    args.weights.push(score(cursor.bytes()?, level).ok_or(error::WEIGHT_NOT_FLOAT)?);
                }
            } else if weighs && cursor.remaining() >= 2 && cursor.token("AGGREGATE") {
                let words = [("SUM", Aggregate::Sum), ("MIN", Aggregate::Min), ("MAX", Aggregate::Max)];
                args.aggregate = cursor.one_of(&words).ok_or(error::SYNTAX)?;
            } else if !stores && cursor.token("WITHSCORES") {
                args.with_scores = true;
            } else {
                return Err(error::SYNTAX);
            }
        }
        Ok(args)
    }

    fn combination<'k>(&'k self, operation: Combine, keys: &'k [Key<'k>]) -> Combination<'k> {
        Combination { operation, keys, weights: &self.weights, aggregate: self.aggregate }
    }
}
