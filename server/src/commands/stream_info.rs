//! XINFO: what there is to know of a stream.

use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::commands::help::help;
use crate::commands::stream_args::{write_entries, write_entry, write_id};
use crate::config::Level;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::stream::{self, Consumer, ConsumerId, Fields, Stream, StreamId};

const XINFO_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::READONLY,
    acl: AclCategories::STREAM,
    keys: &[KeySpec::one(2, KeyFlags::RO.with(KeyFlags::ACCESS))],
    lock: LockClass::Keys,
    since: "5.0.0",
    group: Group::Stream,
    ..CommandSpec::BASE
};

/// XINFO
pub static XINFO: CommandSpec = CommandSpec {
    name: "xinfo",
    arity: -2,
    flags: Flags::NONE,
    acl: AclCategories::NONE,
    keys: &[],
    lock: LockClass::None,
    complexity: "That of the subcommand",
    summary: "Inspects streams.",
    subcommands: &[&XINFO_CONSUMERS, &XINFO_GROUPS, &XINFO_HELP, &XINFO_STREAM],
    ..XINFO_COMMAND
};

/// XINFO STREAM
pub static XINFO_STREAM: CommandSpec = CommandSpec {
    name: "stream",
    arity: -3,
    complexity: "O(N), N being the nodes of the stream and what is shown",
    summary: "Describes a stream, with FULL also its groups, their consumers and what these have not acknowledged.",
    syntax: "key [FULL [COUNT count]]",
    changed_in: &["6.0.0", "7.0.0", "7.2.0"],
    handler: stream_info,
    ..XINFO_COMMAND
};

fn stream_info(context: &mut Context<'_>) -> CommandResult {
    let (db, key, argv) = (context.db(), context.key(2), context.argv);
    let level = context.server.config().compatibility_level;
    let stream = stream::get(&mut context.txn, db, key)?.ok_or(error::NO_SUCH_KEY)?;
    let mut cursor = argv.cursor(3);
    let wrong_form = || error::unknown_subcommand_or_arity("XINFO", argv.at(1));
    if cursor.is_done() {
        write_short(&mut context.reply, stream);
        return Ok(());
    }
    let mut count = 10;
    if !matches!(argv.len(), 4 | 6) || !cursor.token("FULL") {
        return Err(wrong_form());
    }
    if !cursor.is_done() {
        if !cursor.token("COUNT") {
            return Err(wrong_form());
        }
        count = u64::try_from(cursor.int()?).unwrap_or(count);
    }
    write_full(&mut context.reply, stream, count, level);
    Ok(())
}

/// XINFO GROUPS
pub static XINFO_GROUPS: CommandSpec = CommandSpec {
    name: "groups",
    arity: 3,
    summary: "Describes the groups of a stream.",
    syntax: "key",
    changed_in: &["7.0.0"],
    handler: groups,
    ..XINFO_COMMAND
};

fn groups(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(2));
    let level = context.server.config().compatibility_level;
    let stream = stream::get(&mut context.txn, db, key)?.ok_or(error::NO_SUCH_KEY)?;
    let reply = &mut context.reply;
    reply.array(stream.groups().len());
    for group in stream.groups() {
        reply.map(6);
        reply.bulk("name");
        reply.bulk(group.name());
        number(reply, "consumers", group.consumers_len());
        number(reply, "pending", group.pending_len());
        write_progress(reply, stream, group, level);
    }
    Ok(())
}

/// XINFO CONSUMERS
pub static XINFO_CONSUMERS: CommandSpec = CommandSpec {
    name: "consumers",
    arity: 4,
    summary: "Describes the consumers of a group.",
    syntax: "key group",
    tips: &["nondeterministic_output"],
    changed_in: &["7.2.0"],
    handler: consumers,
    ..XINFO_COMMAND
};

fn consumers(context: &mut Context<'_>) -> CommandResult {
    let (db, key, name, now_ms) = (context.db(), context.key(2), context.argv.at(3), context.now_ms());
    let shows_active = context.server.config().compatibility_level.shows_active_consumers();
    let stream = stream::get(&mut context.txn, db, key)?.ok_or(error::NO_SUCH_KEY)?;
    let no_group = || -> CommandError { error::no_group(key.bytes(), name) };
    let group = stream.group(name).ok_or_else(no_group)?;
    let reply = &mut context.reply;
    reply.array(group.consumers_len());
    for (_, consumer) in group.consumers() {
        reply.map(if shows_active { 4 } else { 3 });
        reply.bulk("name");
        reply.bulk(consumer.name());
        number(reply, "pending", consumer.pending_len());
        reply.bulk("idle");
        reply.int(now_ms.saturating_sub(consumer.seen_ms).max(0));
        if shows_active {
            reply.bulk("inactive");
            reply.int(consumer.active_ms.map_or(-1, |active_ms| now_ms.saturating_sub(active_ms)));
        }
    }
    Ok(())
}

/// XINFO HELP
pub static XINFO_HELP: CommandSpec = CommandSpec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    keys: &[],
    lock: LockClass::None,
    summary: "Lists the subcommands.",
    handler: help,
    ..XINFO_COMMAND
};

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&XINFO];

fn number(reply: &mut ReplyWriter<'_>, name: &str, number: usize) {
    reply.bulk(name);
    reply.int(number as i64);
}

/// What XINFO STREAM shows in either form: seven pairs.
fn write_facts(reply: &mut ReplyWriter<'_>, stream: &Stream) {
    let facts = stream.facts();
    number(reply, "length", facts.length as usize);
    number(reply, "radix-tree-keys", stream.nodes_len());
    number(reply, "radix-tree-nodes", stream.radix_nodes());
    reply.bulk("last-generated-id");
    write_id(reply, facts.last_id);
    reply.bulk("max-deleted-entry-id");
    write_id(reply, facts.max_deleted_id);
    number(reply, "entries-added", facts.entries_added as usize);
    reply.bulk("recorded-first-entry-id");
    write_id(reply, facts.first_id);
}

fn write_short(reply: &mut ReplyWriter<'_>, stream: &Stream) {
    reply.map(10);
    write_facts(reply, stream);
    number(reply, "groups", stream.groups().len());
    let entry = |reply: &mut ReplyWriter<'_>, name, entry: Option<(StreamId, Fields<'_>)>| {
        reply.bulk(name);
        match entry {
            Some((id, fields)) => write_entry(reply, id, fields),
            None => reply.null(),
        }
    };
    entry(reply, "first-entry", stream.range(StreamId::MIN, StreamId::MAX).next());
    entry(reply, "last-entry", stream.range_reverse(StreamId::MIN, StreamId::MAX).next());
}

/// Entries, and what is pending, are shown up to `count` each; 0 means all.
fn write_full(reply: &mut ReplyWriter<'_>, stream: &Stream, count: u64, level: Level) {
    reply.map(9);
    write_facts(reply, stream);
    reply.bulk("entries");
    write_entries(reply, stream.range(StreamId::MIN, StreamId::MAX), count);
    reply.bulk("groups");
    reply.array(stream.groups().len());
    let shown = if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) };
    for group in stream.groups() {
        reply.map(7);
        reply.bulk("name");
        reply.bulk(group.name());
        write_progress(reply, stream, group, level);
        number(reply, "pel-count", group.pending_len());
        reply.bulk("pending");
        reply.array(group.pending_len().min(shown));
        for pending in group.pending(StreamId::MIN, StreamId::MAX).take(shown) {
            reply.array(4);
            write_id(reply, pending.id);
            reply.bulk(pending.consumer.name());
            reply.int(pending.nack.delivery_ms);
            reply.int(pending.nack.deliveries as i64);
        }
        reply.bulk("consumers");
        reply.array(group.consumers_len());
        group.consumers().for_each(|consumer| write_consumer(reply, group, consumer, shown, level));
    }
}

/// How far a group has come: three pairs.
fn write_progress(reply: &mut ReplyWriter<'_>, stream: &Stream, group: &stream::Group, level: Level) {
    reply.bulk("last-delivered-id");
    write_id(reply, group.last_id());
    let known = |reply: &mut ReplyWriter<'_>, name, number: Option<i64>| {
        reply.bulk(name);
        match number {
            Some(number) => reply.int(number),
            None => reply.null(),
        }
    };
    known(reply, "entries-read", group.entries_read().map(|read| read as i64));
    known(reply, "lag", stream.lag(group, level.stream_counting()));
}

fn write_consumer(
    reply: &mut ReplyWriter<'_>,
    group: &stream::Group,
    (id, consumer): (ConsumerId, &Consumer),
    shown: usize,
    level: Level,
) {
    let shows_active = level.shows_active_consumers();
    reply.map(if shows_active { 5 } else { 4 });
    reply.bulk("name");
    reply.bulk(consumer.name());
    reply.bulk("seen-time");
    reply.int(consumer.seen_ms);
    if shows_active {
        reply.bulk("active-time");
        reply.int(consumer.active_ms.unwrap_or(-1));
    }
    number(reply, "pel-count", consumer.pending_len());
    reply.bulk("pending");
    reply.array(consumer.pending_len().min(shown));
    for pending in group.pending_of(id, StreamId::MIN, StreamId::MAX).take(shown) {
        reply.array(3);
        write_id(reply, pending.id);
        reply.int(pending.nack.delivery_ms);
        reply.int(pending.nack.deliveries as i64);
    }
}
