//! Taking members of sorted sets out, and random ones.

use super::string::write_str;
use super::zset::{READS, ZSET_COMMAND};
use super::zset_range::{begin_pair, begin_scored};
use crate::args::{Argv, parse_int};
use crate::blocking::{Block, Timeout, WaitKind};
use crate::command::{Begin, CommandSpec, Find, Flags, KeyFlags, KeySpec};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::Protocol;
use ochre_store::sorted_set::{self, End, Popped};

const POPS: KeyFlags = KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE);

const POP_COMMAND: CommandSpec = CommandSpec {
    arity: -2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, POPS)],
    since: "5.0.0",
    complexity: "O(log(N)) for each member, N being the size of the sorted set",
    syntax: "key [count]",
    ..ZSET_COMMAND
};

/// ZPOPMIN
pub static ZPOPMIN: CommandSpec = CommandSpec {
    name: "zpopmin",
    summary: "Takes the members with the lowest scores out of a sorted set.",
    handler: |context| pop(context, End::Lowest),
    ..POP_COMMAND
};

/// ZPOPMAX
pub static ZPOPMAX: CommandSpec = CommandSpec {
    name: "zpopmax",
    summary: "Takes the members with the highest scores out of a sorted set.",
    handler: |context| pop(context, End::Highest),
    ..POP_COMMAND
};

fn pop(context: &mut Context<'_>, end: End) -> CommandResult {
    let argv = context.argv;
    if argv.len() > 3 {
        return Err(error::SYNTAX);
    }
    let count = argv
        .get(2)
        .map(|text| parse_int(text).and_then(|count| usize::try_from(count).ok()).ok_or(error::NOT_POSITIVE));
    let count = count.transpose()?;
    let nests = count.is_some() && context.reply.protocol() != Protocol::Resp2;
    let (db, key, reply) = (context.db(), context.key(1), &mut context.reply);
    let existed = sorted_set::pop(&mut context.txn, db, key, end, count.unwrap_or(1), &mut |popped| match popped {
        Popped::Count(count) => reply.array(if nests { count } else { count * 2 }),
        Popped::Member(member, score) => {
            if nests {
                reply.array(2);
            }
            write_str(reply, member);
            reply.double(score);
        }
    })?;
    if !existed {
        context.reply.array(0);
    }
    Ok(())
}

/// ZMPOP
pub static ZMPOP: CommandSpec = CommandSpec {
    name: "zmpop",
    arity: -4,
    flags: Flags::WRITE,
    keys: &[KeySpec { flags: POPS, begin: Begin::Index(1), find: Find::KeyNum { count: 0, first: 1, step: 1 } }],
    since: "7.0.0",
    complexity: "O(K)+O(M*log(N)), K being the number of keys, N the size of the sorted set and M that of the reply",
    summary: "Takes members out of the first of several sorted sets that is not empty.",
    syntax: "numkeys key [key ...] <MIN|MAX> [COUNT count]",
    handler: zmpop,
    ..ZSET_COMMAND
};

fn zmpop(context: &mut Context<'_>) -> CommandResult {
    let args = PopArgs::parse(context.argv, 1)?;
    for index in args.keys.clone() {
        if pop_one(context, index, &args)? {
            return Ok(());
        }
    }
    context.reply.null_array();
    Ok(())
}

/// BZMPOP
pub static BZMPOP: CommandSpec = CommandSpec {
    name: "bzmpop",
    arity: -5,
    flags: Flags::WRITE.with(Flags::BLOCKING),
    keys: &[KeySpec { flags: POPS, begin: Begin::Index(2), find: Find::KeyNum { count: 0, first: 1, step: 1 } }],
    summary: "Takes members out of the first of several sorted sets that is not empty, and waits until there is one.",
    syntax: "timeout numkeys key [key ...] <MIN|MAX> [COUNT count]",
    handler: bzmpop,
    ..ZMPOP
};

fn bzmpop(context: &mut Context<'_>) -> CommandResult {
    let args = PopArgs::parse(context.argv, 2)?;
    let timeout = Timeout::seconds(context.argv.at(1), context.now_ms())?;
    for index in args.keys.clone() {
        if context.at_hand(index) && pop_one(context, index, &args)? {
            return Ok(());
        }
    }
    context.block(Block::on_keys(WaitKind::SortedSet, args.keys, timeout))
}

const BLOCKING_POP_COMMAND: CommandSpec = CommandSpec {
    arity: -3,
    flags: Flags::WRITE.with(Flags::FAST).with(Flags::BLOCKING),
    keys: &[KeySpec { flags: POPS, begin: Begin::Index(1), find: Find::Range { last: -2, step: 1, limit: 0 } }],
    syntax: "key [key ...] timeout",
    changed_in: &["6.0.0"],
    ..POP_COMMAND
};

/// BZPOPMIN
pub static BZPOPMIN: CommandSpec = CommandSpec {
    name: "bzpopmin",
    summary: "Takes the member with the lowest score out of a sorted set, and waits until there is one.",
    handler: |context| pop_or_wait(context, End::Lowest),
    ..BLOCKING_POP_COMMAND
};

/// BZPOPMAX
pub static BZPOPMAX: CommandSpec = CommandSpec {
    name: "bzpopmax",
    summary: "Takes the member with the highest score out of a sorted set, and waits until there is one.",
    handler: |context| pop_or_wait(context, End::Highest),
    ..BLOCKING_POP_COMMAND
};

fn pop_or_wait(context: &mut Context<'_>, end: End) -> CommandResult {
    let keys = 1..context.argv.len() - 1;
    let timeout = Timeout::seconds(context.argv.at(keys.end), context.now_ms())?;
    for index in keys.clone() {
        if !context.at_hand(index) {
            continue;
        }
        let (db, key, reply) = (context.db(), context.key(index), &mut context.reply);
        let existed = sorted_set::pop(&mut context.txn, db, key, end, 1, &mut |popped| match popped {
            Popped::Count(_) => {
                reply.array(3);
                reply.bulk(key.bytes());
            }
            Popped::Member(member, score) => {
                write_str(reply, member);
                reply.double(score);
            }
        })?;
        if existed {
            context.propagate_as(&[pop_name(end), key.bytes()]);
            return Ok(());
        }
    }
    context.block(Block::on_keys(WaitKind::SortedSet, keys, timeout))
}

/// Takes members out of the sorted set whose key is the argument at `index` and writes the reply of ZMPOP. False, and
/// nothing is written, if there is no such key.
fn pop_one(context: &mut Context<'_>, index: usize, args: &PopArgs) -> Result<bool, CommandError> {
    let (db, key, reply) = (context.db(), context.key(index), &mut context.reply);
    let mut taken = 0;
    let existed = sorted_set::pop(&mut context.txn, db, key, args.end, args.count, &mut |popped| match popped {
        Popped::Count(count) => {
            taken = count;
            reply.array(2);
            reply.bulk(key.bytes());
            reply.array(count);
        }
        Popped::Member(member, score) => {
            reply.array(2);
            write_str(reply, member);
            reply.double(score);
        }
    })?;
    if existed {
        context.propagate_as(&[pop_name(args.end), key.bytes(), itoa::Buffer::new().format(taken).as_bytes()]);
    }
    Ok(existed)
}

/// The plain command that takes members off an end.
fn pop_name(end: End) -> &'static [u8] {
    match end {
        End::Lowest => b"ZPOPMIN",
        End::Highest => b"ZPOPMAX",
    }
}

/// ZRANDMEMBER
pub static ZRANDMEMBER: CommandSpec = CommandSpec {
    name: "zrandmember",
    arity: -2,
    flags: Flags::READONLY,
    keys: READS,
    since: "6.2.0",
    complexity: "O(N), N being the number of members returned",
    summary: "Returns random members of a sorted set.",
    syntax: "key [count [WITHSCORES]]",
    tips: &["nondeterministic_output"],
    handler: zrandmember,
    ..ZSET_COMMAND
};

fn zrandmember(context: &mut Context<'_>) -> CommandResult {
    let (db, key, argv) = (context.db(), context.key(1), context.argv);
    let Some(count) = argv.get(2) else {
        match sorted_set::random(&mut context.txn, db, key)? {
            Some(member) => write_str(&mut context.reply, member),
            None => context.reply.null(),
        }
        return Ok(());
    };
    let count = parse_int(count).ok_or(error::NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(error::out_of_range(-i64::MAX, i64::MAX));
    }
    let with_scores = match argv.get(3) {
        None => false,
        Some(word) if argv.len() == 4 && word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        Some(_) => return Err(error::SYNTAX),
    };
    if with_scores && count.unsigned_abs() > (i64::MAX / 2).unsigned_abs() {
        return Err(error::OUT_OF_RANGE);
    }
    let Some(len) = sorted_set::get(&mut context.txn, db, key)?.map(|set| set.len()) else {
        context.reply.array(0);
        return Ok(());
    };
    let most = context.reply_max_bytes();
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let listed = if count < 0 { wanted } else { wanted.min(len) };
    if with_scores {
        begin_scored(&mut context.reply, listed)
    } else {
        context.reply.array(listed)
    }
    let reply = &mut context.reply;
    let mut shown = 0;
    let mut visit = |member: ochre_store::Str<'_>, score: f64| {
        if with_scores {
            begin_pair(reply);
        }
        write_str(reply, member);
        if with_scores {
            reply.double(score);
        }
        shown += 1;
        reply.position() <= most
    };
    if count < 0 || wanted == 1 {
        // Who asks for more than a client may be sent is cut off for it, not served.
        sorted_set::random_repeated(&mut context.txn, db, key, wanted, &mut visit)?;
    } else {
        sorted_set::random_distinct(&mut context.txn, db, key, wanted, &mut |member, score| _ = visit(member, score))?;
    }
    if shown < listed {
        reply.hand_over();
    }
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&ZPOPMIN, &ZPOPMAX, &ZMPOP, &BZPOPMIN, &BZPOPMAX, &BZMPOP, &ZRANDMEMBER];

/// The arguments of ZMPOP.
struct PopArgs {
    /// Indices of the keys.
    keys: std::ops::Range<usize>,
    end: End,
    count: usize,
}

impl PopArgs {
    /// Reads the arguments from the number of keys on.
    fn parse(argv: Argv<'_>, numkeys: usize) -> Result<PopArgs, CommandError> {
        let mut cursor = argv.cursor(numkeys);
        let count = cursor.int_in(1, i64::MAX, error::NUMKEYS_NOT_POSITIVE)?;
        let first = numkeys + 1;
        let end = usize::try_from(count).ok().and_then(|count| first.checked_add(count));
        let Some(end) = end.filter(|end| *end < argv.len()) else { return Err(error::SYNTAX) };
        let keys = first..end;
        let mut cursor = argv.cursor(end);
        let end = cursor.one_of(&[("MIN", End::Lowest), ("MAX", End::Highest)]).ok_or(error::SYNTAX)?;
        let mut count = None;
        while !cursor.is_done() {
            if count.is_some() || cursor.remaining() < 2 || !cursor.token("COUNT") {
                return Err(error::SYNTAX);
            }
            count = Some(cursor.int_in(1, i64::MAX, error::COUNT_NOT_POSITIVE)?);
        }
        Ok(PopArgs { keys, end, count: usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX) })
    }
}
