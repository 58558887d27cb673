//! Ranges of sorted sets.

use super::scan_options::{Walk, scan_collection};
use super::string::write_str;
use super::zset::{READS, ZSET_COMMAND};
use super::zset_number::{parse_lex_bound, parse_score_bound};
use crate::args::parse_int;
use crate::command::{CommandSpec, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::{DoubleFormat, Protocol, ReplyWriter, write_double};
use ochre_store::Str;
use ochre_store::sorted_set::{self, By, Members, Selection, SortedSet};

const RANGE_COMMAND: CommandSpec = CommandSpec {
    arity: -4,
    flags: Flags::READONLY,
    keys: READS,
    complexity: "O(log(N)+M), N being the size of the sorted set and M that of the reply",
    ..ZSET_COMMAND
};

/// ZRANGE
pub static ZRANGE: CommandSpec = CommandSpec {
    name: "zrange",
    since: "1.2.0",
    summary: "Returns the members of a range of ranks, scores, or members.",
    syntax: "key start stop [BYSCORE|BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
    changed_in: &["6.2.0"],
    handler: |context| reply_range(context, None, None),
    ..RANGE_COMMAND
};

/// ZREVRANGE
pub static ZREVRANGE: CommandSpec = CommandSpec {
    name: "zrevrange",
    since: "1.2.0",
    summary: "Returns the members of a range of ranks, the highest score first.",
    syntax: "key start stop [WITHSCORES]",
    handler: |context| reply_range(context, Some(Kind::Rank), Some(true)),
    ..RANGE_COMMAND
};

/// ZRANGEBYSCORE
pub static ZRANGEBYSCORE: CommandSpec = CommandSpec {
    name: "zrangebyscore",
    since: "1.0.5",
    summary: "Returns the members with scores in a range.",
    syntax: "key min max [WITHSCORES] [LIMIT offset count]",
    changed_in: &["2.0.0"],
    handler: |context| reply_range(context, Some(Kind::Score), Some(false)),
    ..RANGE_COMMAND
};

/// ZREVRANGEBYSCORE
pub static ZREVRANGEBYSCORE: CommandSpec = CommandSpec {
    name: "zrevrangebyscore",
    since: "2.2.0",
    summary: "Returns the members with scores in a range, the highest first.",
    syntax: "key max min [WITHSCORES] [LIMIT offset count]",
    changed_in: &["2.1.6"],
    handler: |context| reply_range(context, Some(Kind::Score), Some(true)),
    ..RANGE_COMMAND
};

/// ZRANGEBYLEX
pub static ZRANGEBYLEX: CommandSpec = CommandSpec {
    name: "zrangebylex",
    since: "2.8.9",
    summary: "Returns the members between two others, where all scores are equal.",
    syntax: "key min max [LIMIT offset count]",
    handler: |context| reply_range(context, Some(Kind::Lex), Some(false)),
    ..RANGE_COMMAND
};

/// ZREVRANGEBYLEX
pub static ZREVRANGEBYLEX: CommandSpec = CommandSpec {
    name: "zrevrangebylex",
    since: "2.8.9",
    summary: "Returns the members between two others in reverse order, where all scores are equal.",
    syntax: "key max min [LIMIT offset count]",
    handler: |context| reply_range(context, Some(Kind::Lex), Some(true)),
    ..RANGE_COMMAND
};

fn reply_range(context: &mut Context<'_>, kind: Option<Kind>, descending: Option<bool>) -> CommandResult {
    let args = RangeArgs::parse(context, 1, Fixed { kind, descending, stores: false })?;
    let (db, key) = (context.db(), context.key(1));
    match sorted_set::get(&mut context.txn, db, key)? {
        Some(set) => write_members(&mut context.reply, set.select(&args.selection), args.with_scores),
        None => context.reply.array(0),
    }
    Ok(())
}

/// ZRANGESTORE
pub static ZRANGESTORE: CommandSpec = CommandSpec {
    name: "zrangestore",
    arity: -5,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE)), KeySpec::one(2, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "6.2.0",
    complexity: "O(log(N)+M), N being the size of the sorted set and M that of the range",
    summary: "Stores the members of a range as another sorted set.",
    syntax: "dst src min max [BYSCORE|BYLEX] [REV] [LIMIT offset count]",
    handler: zrangestore,
    ..ZSET_COMMAND
};

fn zrangestore(context: &mut Context<'_>) -> CommandResult {
    let args = RangeArgs::parse(context, 2, Fixed { kind: None, descending: None, stores: true })?;
    let (db, destination, source) = (context.db(), context.key(1), context.key(2));
    let stored = sorted_set::store_range(&mut context.txn, db, destination, source, &args.selection)?;
    context.reply.int(stored as i64);
    Ok(())
}

const COUNT_COMMAND: CommandSpec = CommandSpec {
    arity: 4,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: READS,
    complexity: "O(log(N)), N being the size of the sorted set",
    syntax: "key min max",
    ..ZSET_COMMAND
};

/// ZCOUNT
pub static ZCOUNT: CommandSpec = CommandSpec {
    name: "zcount",
    since: "2.0.0",
    summary: "Counts the members with scores in a range.",
    handler: |context| count_range(context, Kind::Score),
    ..COUNT_COMMAND
};

/// ZLEXCOUNT
pub static ZLEXCOUNT: CommandSpec = CommandSpec {
    name: "zlexcount",
    since: "2.8.9",
    summary: "Counts the members between two others, where all scores are equal.",
    handler: |context| count_range(context, Kind::Lex),
    ..COUNT_COMMAND
};

fn count_range(context: &mut Context<'_>, kind: Kind) -> CommandResult {
    let by = parse_by(context, kind, context.argv.at(2), context.argv.at(3))?;
    let (db, key) = (context.db(), context.key(1));
    let count = sorted_set::get(&mut context.txn, db, key)?.map_or(0, |set| set.ranks(by).len());
    context.reply.int(count as i64);
    Ok(())
}

const REMOVE_COMMAND: CommandSpec = CommandSpec {
    arity: 4,
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))],
    complexity: "O(log(N)+M), N being the size of the sorted set and M that of the range",
    syntax: "key min max",
    ..ZSET_COMMAND
};

/// ZREMRANGEBYRANK
pub static ZREMRANGEBYRANK: CommandSpec = CommandSpec {
    name: "zremrangebyrank",
    since: "2.0.0",
    summary: "Removes the members of a range of ranks.",
    syntax: "key start stop",
    handler: |context| remove_range(context, Kind::Rank, "zremrangebyrank"),
    ..REMOVE_COMMAND
};

/// ZREMRANGEBYSCORE
pub static ZREMRANGEBYSCORE: CommandSpec = CommandSpec {
    name: "zremrangebyscore",
    since: "1.2.0",
    summary: "Removes the members with scores in a range.",
    handler: |context| remove_range(context, Kind::Score, "zremrangebyscore"),
    ..REMOVE_COMMAND
};

/// ZREMRANGEBYLEX
pub static ZREMRANGEBYLEX: CommandSpec = CommandSpec {
    name: "zremrangebylex",
    since: "2.8.9",
    summary: "Removes the members between two others, where all scores are equal.",
    handler: |context| remove_range(context, Kind::Lex, "zremrangebylex"),
    ..REMOVE_COMMAND
};

fn remove_range(context: &mut Context<'_>, kind: Kind, event: &'static str) -> CommandResult {
    let by = parse_by(context, kind, context.argv.at(2), context.argv.at(3))?;
    let (db, key) = (context.db(), context.key(1));
    let removed = sorted_set::remove_range(&mut context.txn, db, key, by, event)?;
    context.reply.int(removed as i64);
    Ok(())
}

/// ZSCAN
pub static ZSCAN: CommandSpec = CommandSpec {
    name: "zscan",
    arity: -3,
    flags: Flags::READONLY,
    keys: READS,
    since: "2.8.0",
    complexity: "O(1) for a call; O(N) for a whole iteration over N members",
    summary: "Walks over the members of a sorted set in steps.",
    syntax: "key cursor [MATCH pattern] [COUNT count] [NOSCORES]",
    tips: &["nondeterministic_output"],
    changed_in: &["8.0.0"],
    handler: zscan,
    ..ZSET_COMMAND
};

fn zscan(context: &mut Context<'_>) -> CommandResult {
    // As in the originals, the text of a score depends on the encoding: only listpacks have them as they are printed.
    let of_packs = context.reply.doubles();
    scan_collection(context, Walk::SortedSet, |txn, db, key, cursor, page| {
        let Some(set) = sorted_set::get(txn, db, key)? else { return Ok(None) };
        let doubles = if matches!(set, SortedSet::Order(_)) { DoubleFormat::Digits17 } else { of_packs };
        let (count, mut text) = (page.count(), Vec::new());
        Ok(Some(set.scan(cursor, count, &mut |member, score| {
            text.clear();
            // Integers of listpacks have all their digits in either form.
            let integer =
                matches!(set, SortedSet::Pack(_)) && score.fract() == 0.0 && score.abs() <= (1u64 << 62) as f64;
            write_double(&mut text, score, if integer { DoubleFormat::Shortest } else { doubles });
            page.pair(member, Str::Bytes(&text));
        })))
    })
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[
    &ZRANGE,
    &ZREVRANGE,
    &ZRANGEBYSCORE,
    &ZREVRANGEBYSCORE,
    &ZRANGEBYLEX,
    &ZREVRANGEBYLEX,
    &ZRANGESTORE,
    &ZCOUNT,
    &ZLEXCOUNT,
    &ZREMRANGEBYRANK,
    &ZREMRANGEBYSCORE,
    &ZREMRANGEBYLEX,
    &ZSCAN,
];

/// Writes members, with their scores as pairs, or between them in RESP2.
pub(super) fn write_members(reply: &mut ReplyWriter<'_>, mut members: Members<'_>, with_scores: bool) {
    if !with_scores {
        reply.array(members.len());
        while let Some(member) = members.next_member() {
            write_str(reply, member);
        }
        return;
    }
    begin_scored(reply, members.len());
    for (member, score) in members {
        begin_pair(reply);
        write_str(reply, member);
        reply.double(score);
    }
}

/// Begins a list of so many members with scores.
pub(super) fn begin_scored(reply: &mut ReplyWriter<'_>, len: usize) {
    reply.array(if reply.protocol() == Protocol::Resp2 { len.saturating_mul(2) } else { len });
}

/// Begins a member and its score in such a list.
pub(super) fn begin_pair(reply: &mut ReplyWriter<'_>) {
    if reply.protocol() != Protocol::Resp2 {
        reply.array(2);
    }
}

/// What a range is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rank,
    Score,
    Lex,
}

/// What the command's name says already.
struct Fixed {
    kind: Option<Kind>,
    descending: Option<bool>,
    stores: bool,
}

/// The arguments of ZRANGE and its like.
struct RangeArgs<'a> {
    selection: Selection<'a>,
    with_scores: bool,
}

impl<'a> RangeArgs<'a> {
    /// Reads the arguments from that of the source on.
    fn parse(context: &Context<'a>, source: usize, fixed: Fixed) -> Result<RangeArgs<'a>, CommandError> {
        let Fixed { mut kind, mut descending, stores } = fixed;
        let (mut with_scores, mut offset, mut limit) = (false, 0, -1);
        let mut options = context.argv.cursor(source + 3);
        while !options.is_done() {
            if !stores && options.token("WITHSCORES") {
                with_scores = true;
            } else if options.remaining() >= 3 && options.token("LIMIT") {
                (offset, limit) = (options.int()?, options.int()?);
            } else if fixed.descending.is_none() && descending.is_none() && options.token("REV") {
                descending = Some(true);
            } else if kind.is_none() && options.token("BYLEX") {
                kind = Some(Kind::Lex);
            } else if kind.is_none() && options.token("BYSCORE") {
                kind = Some(Kind::Score);
            } else {
                return Err(error::SYNTAX);
            }
        }
        let (kind, descending) = (kind.unwrap_or(Kind::Rank), descending.unwrap_or(false));
        if limit != -1 && kind == Kind::Rank {
            return Err(error::ZRANGE_LIMIT);
        }
        if with_scores && kind == Kind::Lex {
            return Err(error::ZRANGE_LEX_WITHSCORES);
        }
        let (mut min, mut max) = (context.argv.at(source + 1), context.argv.at(source + 2));
        if descending && kind != Kind::Rank {
            (min, max) = (max, min);
        }
        let by = parse_by(context, kind, min, max)?;
        Ok(RangeArgs { selection: Selection { by, descending, offset, limit }, with_scores })
    }
}

fn parse_by<'a>(context: &Context<'_>, kind: Kind, min: &'a [u8], max: &'a [u8]) -> Result<By<'a>, CommandError> {
    let rank = |text| parse_int(text).ok_or(error::NOT_INTEGER);
    Ok(match kind {
        Kind::Rank => By::Rank(rank(min)?, rank(max)?),
        Kind::Score => By::Score(parse_score_bound(context, min)?, parse_score_bound(context, max)?),
        Kind::Lex => By::Lex(parse_lex_bound(min)?, parse_lex_bound(max)?),
    })
}
