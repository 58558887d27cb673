//! Entries of streams: adding, reading, deleting.

use crate::args::Argv;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::commands::stream_args::{
    Ids, TrimArgs, pairs, parse_end, parse_id, parse_references, parse_start, write_entries, write_id,
};
use crate::config::Level;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::Settings;
use ochre_store::stream::{
    self, Add, AddError, AppendError, ChangeIdError, Deletion, NewId, References, SetId, SetIdError, StreamId,
};

const UPDATE: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))];
const DELETE: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))];

const STREAM_COMMAND: CommandSpec = CommandSpec {
    acl: AclCategories::STREAM,
    lock: LockClass::Keys,
    since: "5.0.0",
    group: Group::Stream,
    ..CommandSpec::BASE
};

/// XADD
pub static XADD: CommandSpec = CommandSpec {
    name: "xadd",
    arity: -5,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: UPDATE,
    complexity: "O(1); O(N) where N entries are trimmed",
    summary: "Adds an entry at the end of a stream, which is created if the key is missing.",
    syntax: "key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [<MAXLEN|MINID> [=|~] threshold [LIMIT count]] <*|id> field value [field value ...]",
    tips: &["nondeterministic_output"],
    changed_in: &["6.2.0", "7.0.0", "8.2.0"],
    handler: xadd,
    ..STREAM_COMMAND
};

fn xadd(context: &mut Context<'_>) -> CommandResult {
    let level = || context.server.config().compatibility_level;
    let args = parse_add(context.argv, level, context.txn.settings(), context.client.is_log)?;
    let fields = context.argv.len().saturating_sub(args.fields);
    if fields < 2 || !fields.is_multiple_of(2) {
        return Err(error::wrong_arity(&context.command.full_name));
    }
    if matches!(args.entry.id, NewId::Exact(StreamId::MIN) | NewId::Millis(0)) {
        return Err(error::XADD_ZERO);
    }
    let (db, key) = (context.db(), context.key(1));
    let added = stream::add(&mut context.txn, db, key, &args.entry, pairs(context.argv, args.fields));
    let added = added.map_err(add_error)?;
    if let Some(id) = added
        && context.propagates()
    {
        let mut changed = args.trim.outcome(stream::look(&context.txn, db, &key)?);
        if !matches!(args.entry.id, NewId::Exact(_)) {
            changed.push((args.fields - 1, id.text().to_vec()));
        }
        propagate_changed(context, &changed);
    }
    match added {
        Some(id) => write_id(&mut context.reply, id),
        None => context.reply.null(),
    }
    Ok(())
}

/// XLEN
pub static XLEN: CommandSpec = CommandSpec {
    name: "xlen",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    summary: "Counts the entries of a stream.",
    syntax: "key",
    handler: xlen,
    ..STREAM_COMMAND
};

fn xlen(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let len = stream::get(&mut context.txn, db, key)?.map_or(0, stream::Stream::len);
    context.reply.int(len as i64);
    Ok(())
}

const RANGE_COMMAND: CommandSpec = CommandSpec {
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(N), N being the entries returned",
    changed_in: &["6.2.0"],
    ..STREAM_COMMAND
};

/// XRANGE
pub static XRANGE: CommandSpec = CommandSpec {
    name: "xrange",
    summary: "Returns the entries of a stream between two IDs.",
    syntax: "key start end [COUNT count]",
    handler: xrange,
    ..RANGE_COMMAND
};

fn xrange(context: &mut Context<'_>) -> CommandResult {
    range(context, 2, 3, |reply, stream, start, end, count| write_entries(reply, stream.range(start, end), count))
}

/// XREVRANGE
pub static XREVRANGE: CommandSpec = CommandSpec {
    name: "xrevrange",
    summary: "Returns the entries of a stream between two IDs, the last one first.",
    syntax: "key end start [COUNT count]",
    handler: xrevrange,
    ..RANGE_COMMAND
};

fn xrevrange(context: &mut Context<'_>) -> CommandResult {
    range(context, 3, 2, |reply, stream, start, end, count| {
        write_entries(reply, stream.range_reverse(start, end), count);
    })
}

/// XDEL
pub static XDEL: CommandSpec = CommandSpec {
    name: "xdel",
    arity: -3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: DELETE,
    complexity: "O(1) an entry",
    summary: "Deletes entries of a stream by their IDs.",
    syntax: "key id [id ...]",
    handler: xdel,
    ..STREAM_COMMAND
};

fn xdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let deleted = match Ids::parse(context.argv.iter().skip(2)) {
        Ok(ids) => stream::delete(&mut context.txn, db, key, ids.as_slice().iter().copied())?,
        // Where there is nothing to delete, nothing can be wrong.
        Err(error) if stream::exists(&mut context.txn, db, key)? => return Err(error),
        Err(_) => 0,
    };
    context.reply.int(deleted as i64);
    Ok(())
}

/// XDELEX
pub static XDELEX: CommandSpec = CommandSpec {
    name: "xdelex",
    arity: -5,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: DELETE,
    since: "8.2.0",
    complexity: "O(1) an entry",
    summary: "Deletes entries of a stream, with regard to what groups hold of them.",
    syntax: "key [KEEPREF|DELREF|ACKED] IDS numids id [id ...]",
    handler: xdelex,
    ..STREAM_COMMAND
};

fn xdelex(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    if !stream::exists(&mut context.txn, db, key)? {
        return reply_missing(context, 2);
    }
    let args = DeleteArgs::parse(context.argv, 2)?;
    let ids = Ids::parse(args.ids(context.argv))?;
    let reply = &mut context.reply;
    reply.array(args.count);
    stream::delete_with(&mut context.txn, db, key, ids.as_slice(), args.references, |deletion| {
        reply.int(deletion_code(deletion));
    })?;
    Ok(())
}

/// XACKDEL
pub static XACKDEL: CommandSpec = CommandSpec {
    name: "xackdel",
    arity: -6,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE).with(KeyFlags::DELETE))],
    since: "8.2.0",
    complexity: "O(1) an entry",
    summary: "Acknowledges entries in a group and deletes them, with regard to what other groups hold of them.",
    syntax: "key group [KEEPREF|DELREF|ACKED] IDS numids id [id ...]",
    handler: xackdel,
    ..STREAM_COMMAND
};

fn xackdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key, group) = (context.db(), context.key(1), context.argv.at(2));
    let found = stream::get(&mut context.txn, db, key)?.is_some_and(|stream| stream.group(group).is_some());
    if !found {
        return reply_missing(context, 3);
    }
    let args = DeleteArgs::parse(context.argv, 3)?;
    let ids = Ids::parse(args.ids(context.argv))?;
    let reply = &mut context.reply;
    reply.array(args.count);
    stream::ack_and_delete(&mut context.txn, db, key, group, ids.as_slice(), args.references, |deletion| {
        reply.int(deletion_code(deletion));
    })?;
    Ok(())
}

/// XTRIM
pub static XTRIM: CommandSpec = CommandSpec {
    name: "xtrim",
    arity: -4,
    flags: Flags::WRITE,
    keys: DELETE,
    complexity: "O(N), N being the entries that go; little each, as most go in whole nodes",
    summary: "Deletes entries from the start of a stream.",
    syntax: "key <MAXLEN|MINID> [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]",
    tips: &["nondeterministic_output"],
    changed_in: &["6.2.0", "8.2.0"],
    handler: xtrim,
    ..STREAM_COMMAND
};

fn xtrim(context: &mut Context<'_>) -> CommandResult {
    let level = context.server.config().compatibility_level;
    let (mut args, mut cursor) = (TrimArgs::default(), context.argv.cursor(2));
    while !cursor.is_done() {
        if !args.parse(&mut cursor, level)? {
            return Err(error::SYNTAX);
        }
    }
    let (db, key) = (context.db(), context.key(1));
    let deleted = match args.finish(true, context.txn.settings(), context.client.is_log)? {
        Some(trim) => stream::trim(&mut context.txn, db, key, &trim)?,
        None => 0,
    };
    if deleted > 0 && context.propagates() {
        let changed = args.outcome(stream::look(&context.txn, db, &key)?);
        propagate_changed(context, &changed);
    }
    context.reply.int(deleted as i64);
    Ok(())
}

/// XSETID
pub static XSETID: CommandSpec = CommandSpec {
    name: "xsetid",
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: UPDATE,
    summary: "Sets the last ID of a stream, and what it remembers of entries added and deleted.",
    syntax: "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
    changed_in: &["7.0.0"],
    handler: xsetid,
    ..STREAM_COMMAND
};

fn xsetid(context: &mut Context<'_>) -> CommandResult {
    let mut cursor = context.argv.cursor(3);
    let mut set = SetId { last_id: parse_id(context.argv.at(2))?, ..SetId::default() };
    while !cursor.is_done() {
        if cursor.remaining() > 1 && cursor.token("ENTRIESADDED") {
            set.entries_added = Some(u64::try_from(cursor.int()?).map_err(|_| error::ENTRIES_ADDED)?);
        } else if cursor.remaining() > 1 && cursor.token("MAXDELETEDID") {
            let id = parse_id(cursor.bytes()?)?;
            if set.last_id < id {
                return Err(error::XSETID_BELOW_GIVEN);
            }
            set.max_deleted_id = Some(id);
        } else {
            return Err(error::SYNTAX);
        }
    }
    set.below_deleted = context.server.config().compatibility_level.xsetid_may_precede_deleted();
    let (db, key) = (context.db(), context.key(1));
    stream::set_id(&mut context.txn, db, key, &set).map_err(|refused| match refused {
        ChangeIdError::Key(error) => error.into(),
        ChangeIdError::Refused(SetIdError::BelowDeleted) => error::XSETID_BELOW_DELETED,
        ChangeIdError::Refused(SetIdError::BelowLast) => error::XSETID_BELOW_LAST,
        ChangeIdError::Refused(SetIdError::AddedBelowLength) => error::XSETID_ADDED,
    })?;
    context.reply.ok();
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&XADD, &XLEN, &XRANGE, &XREVRANGE, &XDEL, &XDELEX, &XACKDEL, &XTRIM, &XSETID];

/// Has the command propagated with these arguments changed, if there are any.
fn propagate_changed(context: &mut Context<'_>, changed: &[(usize, Vec<u8>)]) {
    if !changed.is_empty() {
        let changed: Vec<_> = changed.iter().map(|(index, argument)| (*index, argument.as_slice())).collect();
        context.propagate_with(&changed);
    }
}

/// The arguments of XADD.
struct AddArgs {
    entry: Add,
    trim: TrimArgs,
    /// Where the fields begin.
    fields: usize,
}

fn parse_add(
    argv: Argv<'_>,
    level: impl Fn() -> Level,
    settings: &Settings,
    is_log: bool,
) -> Result<AddArgs, CommandError> {
    let mut cursor = argv.cursor(2);
    let (mut create, mut trim) = (true, TrimArgs::default());
    let mut id = NewId::Auto;
    while let Some(argument) = cursor.peek() {
        let is_id = matches!(argument.first(), Some(b'*' | b'0'..=b'9'));
        if !is_id && trim.parse(&mut cursor, level())? {
            continue;
        }
        if !is_id && cursor.token("NOMKSTREAM") {
            create = false;
            continue;
        }
        id = NewId::parse(argument).ok_or(error::STREAM_ID)?;
        break;
    }
    let entry = Add { id, create, trim: trim.finish(false, settings, is_log)? };
    Ok(AddArgs { entry, trim, fields: cursor.position() + 1 })
}

fn add_error(error: AddError) -> CommandError {
    match error {
        AddError::Key(error) => error.into(),
        AddError::Append(AppendError::Exhausted) => error::XADD_EXHAUSTED,
        AddError::Append(AppendError::NotGreater) => error::XADD_NOT_GREATER,
        AddError::Append(AppendError::TooLarge) => error::XADD_TOO_LARGE,
    }
}

/// XRANGE and XREVRANGE: `start` and `end` are arguments; `write` writes the entries between them, so many at most.
fn range(
    context: &mut Context<'_>,
    start: usize,
    end: usize,
    write: impl FnOnce(&mut ReplyWriter<'_>, &stream::Stream, StreamId, StreamId, u64),
) -> CommandResult {
    let (start, end) = (parse_start(context.argv.at(start))?, parse_end(context.argv.at(end))?);
    let mut count = None;
    let mut cursor = context.argv.cursor(4);
    while !cursor.is_done() {
        if cursor.remaining() < 2 || !cursor.token("COUNT") {
            return Err(error::SYNTAX);
        }
        count = Some(cursor.int()?);
    }
    let (db, key) = (context.db(), context.key(1));
    match (stream::get(&mut context.txn, db, key)?, count) {
        (None, _) => context.reply.array(0),
        (Some(_), Some(..=0)) => context.reply.null_array(),
        (Some(stream), count) => write(&mut context.reply, stream, start, end, count.unwrap_or(0).unsigned_abs()),
    }
    Ok(())
}

/// The arguments of XDELEX and XACKDEL after the names.
struct DeleteArgs {
    references: References,
    /// Where the IDs begin.
    first: usize,
    count: usize,
}

impl DeleteArgs {
    fn parse(argv: Argv<'_>, from: usize) -> Result<DeleteArgs, CommandError> {
        let mut cursor = argv.cursor(from);
        let (mut references, mut ids) = (None, None);
        while !cursor.is_done() {
            if references.is_none()
                && let Some(given) = parse_references(&mut cursor)
            {
                references = Some(given);
            } else if cursor.remaining() > 1 && cursor.token("IDS") {
                let count = cursor.int_in(1, i64::MAX, error::NUMIDS)? as usize;
                if count > cursor.remaining() {
                    return Err(error::NUMIDS_ARGUMENTS);
                }
                ids = Some((cursor.position(), count));
                cursor = argv.cursor(cursor.position() + count);
            } else {
                return Err(error::SYNTAX);
            }
        }
        let (first, count) = ids.ok_or(error::SYNTAX)?;
        Ok(DeleteArgs { references: references.unwrap_or_default(), first, count })
    }

    fn ids<'a>(&self, argv: Argv<'a>) -> impl ExactSizeIterator<Item = &'a [u8]> {
        argv.iter().skip(self.first).take(self.count)
    }
}

/// What XDELEX and XACKDEL answer where there is nothing to delete from: the IDs are not even looked at.
fn reply_missing(context: &mut Context<'_>, from: usize) -> CommandResult {
    let args = DeleteArgs::parse(context.argv, from)?;
    context.reply.array(args.count);
    (0..args.count).for_each(|_| context.reply.int(deletion_code(Deletion::Missing)));
    Ok(())
}

fn deletion_code(deletion: Deletion) -> i64 {
    match deletion {
        Deletion::Missing => -1,
        Deletion::Deleted => 1,
        Deletion::Referenced => 2,
    }
}
