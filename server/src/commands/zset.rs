//! Sorted sets: members and their scores.

use super::zset_number::parse_score;
use crate::args::Argv;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::sorted_set::{self, AddOptions, Compare, Condition, Expected};
use std::sync::atomic::Ordering::Relaxed;

pub(super) const ZSET_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::SORTEDSET, lock: LockClass::Keys, group: Group::SortedSet, ..CommandSpec::BASE };

/// The key is read.
pub(super) const READS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))];

/// ZADD
pub static ZADD: CommandSpec = CommandSpec {
    name: "zadd",
    arity: -4,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    since: "1.2.0",
    complexity: "O(log(N)) for each member, N being the size of the sorted set",
    summary: "Adds members to a sorted set, or gives them other scores.",
    syntax: "key [NX|XX] [GT|LT] [CH] [INCR] score member [score member ...]",
    changed_in: &["2.4.0", "3.0.2", "6.2.0"],
    handler: zadd,
    ..ZSET_COMMAND
};

fn zadd(context: &mut Context<'_>) -> CommandResult {
    let args = AddArgs::parse(context.argv)?;
    let (db, key) = (context.db(), context.key(1));
    if args.increments {
        return increment(context, args.options, args.first);
    }
    let argv = context.argv;
    let member = |pair: usize| argv.at(args.first + 1 + 2 * pair);
    let added = if args.pairs == 1 {
        let score = parse_score(context, argv.at(args.first))?;
        let options = AddOptions { expected: expected_one(context, member(0)), ..args.options };
        sorted_set::add(&mut context.txn, db, key, options, std::iter::once((score, member(0))))?
    } else {
        let scores: Result<Vec<f64>, CommandError> =
            (0..args.pairs).map(|pair| parse_score(context, argv.at(args.first + 2 * pair))).collect();
        let scores = scores?.into_iter().zip((0..args.pairs).map(member));
        let bytes = argv.from(args.first).iter().map(<[u8]>::len).sum();
        let expected = Expected { bytes, ..expected(context, (0..args.pairs).map(member)) };
        sorted_set::add(&mut context.txn, db, key, AddOptions { expected, ..args.options }, scores)?
    };
    context.reply.int(if args.counts_changes { added.added + added.updated } else { added.added } as i64);
    Ok(())
}

/// What a set is to be prepared for where these members are added.
pub(super) fn expected<'m>(context: &Context<'_>, members: impl Iterator<Item = &'m [u8]>) -> Expected {
    let mut members = members.map(<[u8]>::len);
    let first = members.next().unwrap_or(0);
    if context.server.config().compatibility_level.begins_sorted_sets_with_the_first_member() {
        return Expected { members: 1, longest: first, bytes: 0, only_new: true };
    }
    let (count, longest) = members.fold((1, first), |(count, longest), len| (count + 1, longest.max(len)));
    Expected { members: count, longest, bytes: 0, only_new: false }
}

/// What a set is to be prepared for where a single member is added.
fn expected_one(context: &Context<'_>, member: &[u8]) -> Expected {
    let limits = &context.txn.settings().zset_listpack;
    // Only with members beyond the limits does it matter when the set is converted.
    let matters = limits.entries.load(Relaxed) < 1 || limits.value.load(Relaxed) < member.len() as u64;
    let only_new = matters && context.server.config().compatibility_level.begins_sorted_sets_with_the_first_member();
    Expected { members: 1, longest: member.len(), bytes: 0, only_new }
}

/// ZINCRBY
pub static ZINCRBY: CommandSpec = CommandSpec {
    name: "zincrby",
    arity: 4,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    since: "1.2.0",
    complexity: "O(log(N)), N being the size of the sorted set",
    summary: "Adds to the score of a member; a missing one has the score 0.",
    syntax: "key increment member",
    handler: zincrby,
    ..ZSET_COMMAND
};

fn zincrby(context: &mut Context<'_>) -> CommandResult {
    increment(context, AddOptions::default(), 2)
}

/// Adds the score at the argument `first` to that of the member behind it.
fn increment(context: &mut Context<'_>, options: AddOptions, first: usize) -> CommandResult {
    let (db, key, member) = (context.db(), context.key(1), context.argv.at(first + 1));
    let score = parse_score(context, context.argv.at(first))?;
    let options = AddOptions { expected: expected_one(context, member), ..options };
    match sorted_set::increment(&mut context.txn, db, key, options, score, member)? {
        Some(score) => context.reply.double(score),
        None => context.reply.null(),
    }
    Ok(())
}

/// ZREM
pub static ZREM: CommandSpec = CommandSpec {
    name: "zrem",
    arity: -3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))],
    since: "1.2.0",
    complexity: "O(log(N)) for each member, N being the size of the sorted set",
    summary: "Removes members and returns how many there were.",
    syntax: "key member [member ...]",
    changed_in: &["2.4.0"],
    handler: zrem,
    ..ZSET_COMMAND
};

fn zrem(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let removed = sorted_set::remove(&mut context.txn, db, key, context.argv.from(2).iter())?;
    context.reply.int(removed as i64);
    Ok(())
}

/// ZCARD
pub static ZCARD: CommandSpec = CommandSpec {
    name: "zcard",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    since: "1.2.0",
    summary: "Returns the number of members of a sorted set.",
    syntax: "key",
    handler: zcard,
    ..ZSET_COMMAND
};

fn zcard(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let len = sorted_set::get(&mut context.txn, db, key)?.map_or(0, |set| set.len());
    context.reply.int(len as i64);
    Ok(())
}

/// ZSCORE
pub static ZSCORE: CommandSpec = CommandSpec {
    name: "zscore",
    arity: 3,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: READS,
    since: "1.2.0",
    summary: "Returns the score of a member.",
    syntax: "key member",
    handler: zscore,
    ..ZSET_COMMAND
};

fn zscore(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    match sorted_set::get(&mut context.txn, db, key)?.and_then(|set| set.score(context.argv.at(2))) {
        Some(score) => context.reply.double(score),
        None => context.reply.null(),
    }
    Ok(())
}

/// ZMSCORE
pub static ZMSCORE: CommandSpec = CommandSpec {
    name: "zmscore",
    arity: -3,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: READS,
    since: "6.2.0",
    complexity: "O(N), N being the number of members asked for",
    summary: "Returns the scores of several members.",
    syntax: "key member [member ...]",
    handler: zmscore,
    ..ZSET_COMMAND
};

fn zmscore(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let set = sorted_set::get(&mut context.txn, db, key)?;
    let members = context.argv.from(2).iter();
    context.reply.array(members.len());
    for member in members {
        match set.and_then(|set| set.score(member)) {
            Some(score) => context.reply.double(score),
            None => context.reply.null(),
        }
    }
    Ok(())
}

const RANK_COMMAND: CommandSpec = CommandSpec {
    arity: -3,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: READS,
    since: "2.0.0",
    complexity: "O(log(N)), N being the size of the sorted set",
    syntax: "key member [WITHSCORE]",
    changed_in: &["7.2.0"],
    ..ZSET_COMMAND
};

/// ZRANK
pub static ZRANK: CommandSpec = CommandSpec {
    name: "zrank",
    summary: "Returns how many members have lower scores than a member.",
    handler: |context| rank(context, false),
    ..RANK_COMMAND
};

/// ZREVRANK
pub static ZREVRANK: CommandSpec = CommandSpec {
    name: "zrevrank",
    summary: "Returns how many members have higher scores than a member.",
    handler: |context| rank(context, true),
    ..RANK_COMMAND
};

fn rank(context: &mut Context<'_>, descending: bool) -> CommandResult {
    if context.argv.len() > 4 {
        return Err(error::wrong_arity(context.command.spec.name));
    }
    let with_score = context.argv.get(3);
    if with_score.is_some_and(|word| !word.eq_ignore_ascii_case(b"WITHSCORE")) {
        return Err(error::SYNTAX);
    }
    let (db, key) = (context.db(), context.key(1));
    let set = sorted_set::get(&mut context.txn, db, key)?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(context.argv.at(2))?;
        Some((if descending { set.len() - 1 - rank } else { rank }, score))
    });
    let reply = &mut context.reply;
    match (found, with_score) {
        (Some((rank, _)), None) => reply.int(rank as i64),
        (Some((rank, score)), Some(_)) => {
            reply.array(2);
            reply.int(rank as i64);
            reply.double(score);
        }
        (None, None) => reply.null(),
        (None, Some(_)) => reply.null_array(),
    }
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&ZADD, &ZINCRBY, &ZREM, &ZCARD, &ZSCORE, &ZMSCORE, &ZRANK, &ZREVRANK];

/// The arguments of ZADD.
#[derive(Clone, Copy, Debug, Default)]
struct AddArgs {
    options: AddOptions,
    increments: bool,
    counts_changes: bool,
    /// The first score.
    first: usize,
    pairs: usize,
}

impl AddArgs {
    fn parse(argv: Argv<'_>) -> Result<AddArgs, CommandError> {
        let mut args = AddArgs::default();
        let (mut nx, mut xx, mut gt, mut lt) = (false, false, false, false);
        let mut cursor = argv.cursor(2);
        // No option begins like a number.
        while !matches!(cursor.peek(), Some([b'0'..=b'9' | b'-' | b'+' | b'.', ..])) {
            match () {
                () if cursor.token("NX") => nx = true,
                () if cursor.token("XX") => xx = true,
                () if cursor.token("GT") => gt = true,
                () if cursor.token("LT") => lt = true,
                () if cursor.token("CH") => args.counts_changes = true,
                () if cursor.token("INCR") => args.increments = true,
                () => break,
            }
        }
        if cursor.is_done() || !cursor.remaining().is_multiple_of(2) {
            return Err(error::SYNTAX);
        }
        args.first = cursor.position();
        args.pairs = cursor.remaining() / 2;
        if nx && xx {
            return Err(error::ZADD_NX_XX);
        }
        if nx && (gt || lt) || gt && lt {
            return Err(error::ZADD_GT_LT_NX);
        }
        if args.increments && args.pairs > 1 {
            return Err(error::ZADD_INCR_PAIRS);
        }
        args.options.condition = match (nx, xx) {
            (true, _) => Condition::Nx,
            (_, true) => Condition::Xx,
            _ => Condition::Always,
        };
        args.options.compare = match (gt, lt) {
            (true, _) => Compare::Greater,
            (_, true) => Compare::Less,
            _ => Compare::Any,
        };
        Ok(args)
    }
}
