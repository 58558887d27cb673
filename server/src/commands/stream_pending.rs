//! What consumers of a group have got and not acknowledged.

use crate::args::{Argv, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::commands::stream_args::{Ids, parse_end, parse_id, parse_start, write_entry, write_id};
use crate::commands::stream_log::GroupLog;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::stream::{self, Claim, Claimed, Claims, GroupError, Member, Pending, Scan, StreamId};

const PENDING_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::WRITE.with(Flags::FAST),
    acl: AclCategories::STREAM,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    lock: LockClass::Keys,
    since: "5.0.0",
    group: Group::Stream,
    ..CommandSpec::BASE
};

/// XACK
pub static XACK: CommandSpec = CommandSpec {
    name: "xack",
    arity: -4,
    complexity: "O(1) an entry",
    summary: "Acknowledges entries: they are pending no longer.",
    syntax: "key group id [id ...]",
    handler: xack,
    ..PENDING_COMMAND
};

fn xack(context: &mut Context<'_>) -> CommandResult {
    let (db, key, group) = (context.db(), context.key(1), context.argv.at(2));
    let acknowledged = match Ids::parse(context.argv.iter().skip(3)) {
        Ok(ids) => stream::ack(&mut context.txn, db, key, group, ids.as_slice())?,
        // Where nothing can be pending, nothing can be wrong.
        Err(invalid) => match stream::check_group(&mut context.txn, db, key, group) {
            Ok(()) => return Err(invalid),
            Err(GroupError::Key(error)) => return Err(error.into()),
            Err(_) => 0,
        },
    };
    context.reply.int(acknowledged as i64);
    Ok(())
}

/// XPENDING
pub static XPENDING: CommandSpec = CommandSpec {
    name: "xpending",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(N), N being the entries returned or, with IDLE, looked at; the summary is O(N), N being the consumers",
    summary: "Tells what was delivered to consumers of a group and not acknowledged.",
    syntax: "key group [[IDLE min-idle-time] start end count [consumer]]",
    tips: &["nondeterministic_output"],
    changed_in: &["6.2.0"],
    handler: xpending,
    ..PENDING_COMMAND
};

fn xpending(context: &mut Context<'_>) -> CommandResult {
    let range = PendingRange::parse(context.argv)?;
    let (db, key, now_ms) = (context.db(), context.key(1), context.now_ms());
    let name = context.argv.at(2);
    let stream = stream::get(&mut context.txn, db, key)?;
    let group =
        stream.and_then(|stream| stream.group(name)).ok_or_else(|| error::no_key_or_group(key.bytes(), name))?;
    let reply = &mut context.reply;
    let Some(range) = range else {
        write_summary(reply, group);
        return Ok(());
    };
    let Some(consumer) = range.consumer else {
        range.write(reply, group.pending(range.start, range.end), now_ms);
        return Ok(());
    };
    match group.find_consumer(consumer) {
        Some(consumer) => range.write(reply, group.pending_of(consumer, range.start, range.end), now_ms),
        None => reply.array(0),
    }
    Ok(())
}

/// XCLAIM
pub static XCLAIM: CommandSpec = CommandSpec {
    name: "xclaim",
    arity: -6,
    complexity: "O(log(N)) an entry, N being what is pending in the group",
    summary: "Makes entries that others have not acknowledged pending for a consumer.",
    syntax: "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]",
    tips: &["nondeterministic_output"],
    handler: xclaim,
    ..PENDING_COMMAND
};

fn xclaim(context: &mut Context<'_>) -> CommandResult {
    let (db, key, member) = (context.db(), context.key(1), member(context));
    let args = match ClaimArgs::parse(context.argv, context.now_ms()) {
        Ok(args) => args,
        Err(invalid) => {
            let found = stream::check_group(&mut context.txn, db, key, member.group);
            return Err(found.map_or_else(|refused| refusal(context, refused), |()| invalid));
        }
    };
    let claims = Claims { ids: args.ids.as_slice(), claim: args.claim, last_id: args.last_id };
    let mut log = GroupLog::begin(context, 1, member.group, member.consumer)?;
    let reply = &mut context.reply;
    let start = reply.position();
    let list = reply.deferred_array();
    let mut len = 0;
    let done = stream::claim(&mut context.txn, db, key, &member, &claims, |id, claimed| {
        note(&mut log, id, &claimed);
        len += usize::from(write_claimed(reply, id, claimed, args.claim.just_id));
    });
    if let Err(refused) = done {
        reply.rewind(start);
        return Err(refusal(context, refused));
    }
    reply.set_len(list, len);
    if let Some(log) = log {
        log.finish(context, false)?;
    }
    Ok(())
}

fn note(log: &mut Option<GroupLog<'_>>, id: StreamId, claimed: &Claimed<'_>) {
    if let (Some(log), Claimed::Taken(_, nack) | Claimed::Gone(nack)) = (log, claimed) {
        log.note(id, *nack);
    }
}

/// XAUTOCLAIM
pub static XAUTOCLAIM: CommandSpec = CommandSpec {
    name: "xautoclaim",
    arity: -6,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))],
    since: "6.2.0",
    complexity: "O(1) if COUNT is small",
    summary: "Makes entries that others have not acknowledged for long pending for a consumer, some at a time.",
    syntax: "key group consumer min-idle-time start [COUNT count] [JUSTID]",
    tips: &["nondeterministic_output"],
    changed_in: &["7.0.0"],
    handler: xautoclaim,
    ..PENDING_COMMAND
};

fn xautoclaim(context: &mut Context<'_>) -> CommandResult {
    let scan = parse_scan(context.argv, context.now_ms())?;
    let (db, key, member) = (context.db(), context.key(1), member(context));
    let mut log = GroupLog::begin(context, 1, member.group, member.consumer)?;
    // The ID to go on with stands before what is claimed, but is known only after it.
    let mut claimed_entries = Vec::new();
    let mut entries = ReplyWriter::new(&mut claimed_entries, context.reply.protocol());
    let (mut len, mut deleted) = (0, Vec::new());
    let next = stream::autoclaim(&mut context.txn, db, key, &member, &scan, |id, claimed| {
        note(&mut log, id, &claimed);
        if write_claimed(&mut entries, id, claimed, scan.just_id) {
            len += 1;
        } else {
            deleted.push(id);
        }
    });
    let next = next.map_err(|refused| refusal(context, refused))?;
    let reply = &mut context.reply;
    reply.array(3);
    write_id(reply, next);
    reply.array(len);
    reply.encoded(&claimed_entries, len);
    reply.array(deleted.len());
    deleted.into_iter().for_each(|id| write_id(reply, id));
    if let Some(log) = log {
        log.finish(context, false)?;
    }
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&XACK, &XPENDING, &XCLAIM, &XAUTOCLAIM];

/// What XPENDING shows one by one.
struct PendingRange<'a> {
    start: StreamId,
    end: StreamId,
    count: usize,
    min_idle_ms: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> PendingRange<'a> {
    /// `None` if a summary is wanted.
    fn parse(argv: Argv<'a>) -> Result<Option<PendingRange<'a>>, CommandError> {
        let mut cursor = argv.cursor(3);
        match argv.len() {
            3 => return Ok(None),
            6..=9 => {}
            _ => return Err(error::SYNTAX),
        }
        let mut min_idle_ms = 0;
        if cursor.token("IDLE") {
            min_idle_ms = cursor.int()?;
            if argv.len() < 8 {
                return Err(error::SYNTAX);
            }
        }
        let (start, end) = (cursor.bytes()?, cursor.bytes()?);
        let count = usize::try_from(cursor.int()?).unwrap_or(0);
        let (start, end) = (parse_start(start)?, parse_end(end)?);
        Ok(Some(PendingRange { start, end, count, min_idle_ms, consumer: cursor.peek() }))
    }

    fn write<'p>(&self, reply: &mut ReplyWriter<'_>, pending: impl Iterator<Item = Pending<'p>>, now_ms: i64) {
        let list = reply.deferred_array();
        let mut len = 0;
        let idle = |pending: &Pending<'_>| now_ms.saturating_sub(pending.nack.delivery_ms);
        let wanted = pending.filter(|pending| self.min_idle_ms == 0 || idle(pending) >= self.min_idle_ms);
        for pending in wanted.take(self.count) {
            reply.array(4);
            write_id(reply, pending.id);
            reply.bulk(pending.consumer.name());
            reply.int(idle(&pending).max(0));
            reply.int(pending.nack.deliveries as i64);
            len += 1;
        }
        reply.set_len(list, len);
    }
}

fn write_summary(reply: &mut ReplyWriter<'_>, group: &stream::Group) {
    reply.array(4);
    reply.int(group.pending_len() as i64);
    let Some((first, last)) = group.pending_ends() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    write_id(reply, first);
    write_id(reply, last);
    let list = reply.deferred_array();
    let mut len = 0;
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(consumer.pending_len() as i64);
        len += 1;
    }
    reply.set_len(list, len);
}

/// The arguments of XCLAIM from the shortest time on.
struct ClaimArgs {
    ids: Ids,
    claim: Claim,
    last_id: StreamId,
}

impl ClaimArgs {
    fn parse(argv: Argv<'_>, now_ms: i64) -> Result<ClaimArgs, CommandError> {
        let min_idle_ms = parse_int(argv.at(4)).ok_or(error::XCLAIM_IDLE_TIME)?.max(0);
        let ids = argv.iter().skip(5).take_while(|text| parse_id(text).is_ok()).count();
        let mut cursor = argv.cursor(5 + ids);
        let mut last_id = StreamId::MIN;
        let mut claim =
            Claim { now_ms, min_idle_ms, delivery_ms: None, deliveries: None, force: false, just_id: false };
        let int = |text: &[u8], otherwise| parse_int(text).ok_or(otherwise);
        while let Some(option) = cursor.peek() {
            let has_value = cursor.remaining() > 1;
            if cursor.token("FORCE") {
                claim.force = true;
            } else if cursor.token("JUSTID") {
                claim.just_id = true;
            } else if has_value && cursor.token("IDLE") {
                claim.delivery_ms = Some(now_ms.saturating_sub(int(cursor.bytes()?, error::XCLAIM_IDLE)?));
            } else if has_value && cursor.token("TIME") {
                claim.delivery_ms = Some(int(cursor.bytes()?, error::XCLAIM_TIME)?);
            } else if has_value && cursor.token("RETRYCOUNT") {
                claim.deliveries = u64::try_from(int(cursor.bytes()?, error::XCLAIM_RETRYCOUNT)?).ok();
            } else if has_value && cursor.token("LASTID") {
                last_id = parse_id(cursor.bytes()?)?;
            } else {
                return Err(error::xclaim_option(option));
            }
        }
        let ids = Ids::parse(argv.from(5).iter().take(ids))?;
        Ok(ClaimArgs { ids, claim, last_id })
    }
}

fn parse_scan(argv: Argv<'_>, now_ms: i64) -> Result<Scan, CommandError> {
    /// What real servers can count ten times over in memory.
    const COUNT_MAX: i64 = i64::MAX / 16;
    let min_idle_ms = parse_int(argv.at(4)).ok_or(error::XAUTOCLAIM_IDLE_TIME)?.max(0);
    let mut scan = Scan { start: parse_start(argv.at(5))?, count: 100, now_ms, min_idle_ms, just_id: false };
    let mut cursor = argv.cursor(6);
    while !cursor.is_done() {
        if cursor.remaining() > 1 && cursor.token("COUNT") {
            scan.count = cursor.int_in(1, COUNT_MAX, error::XAUTOCLAIM_COUNT)?.unsigned_abs();
        } else if cursor.token("JUSTID") {
            scan.just_id = true;
        } else {
            return Err(error::SYNTAX);
        }
    }
    Ok(scan)
}

/// Group and consumer, which are the arguments after the key.
fn member<'c>(context: &Context<'c>) -> Member<'c> {
    let [group, consumer] = [2, 3].map(|index| context.argv.at(index));
    Member { group, consumer, only_if_served: context.server.config().compatibility_level.sees_served_consumers_only() }
}

/// Writes an entry if it was claimed, or its ID alone; returns whether it was.
fn write_claimed(reply: &mut ReplyWriter<'_>, id: StreamId, claimed: Claimed<'_>, just_id: bool) -> bool {
    let Claimed::Taken(fields, _) = claimed else { return false };
    if just_id {
        write_id(reply, id);
    } else {
        write_entry(reply, id, fields);
    }
    true
}

#[cold]
fn refusal(context: &Context<'_>, refused: GroupError) -> CommandError {
    match refused {
        GroupError::Key(error) => error.into(),
        GroupError::NoStream | GroupError::NoGroup | GroupError::Exists => {
            error::no_key_or_group(context.argv.at(1), context.argv.at(2))
        }
    }
}
