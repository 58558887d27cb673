//! XGROUP: groups of consumers.

use crate::args::Cursor;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::commands::help::help;
use crate::commands::stream_args::parse_id;
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::stream::{self, GroupError, NewGroup, StreamId};
use std::ops::RangeInclusive;

const INSERT: &[KeySpec] = &[KeySpec::one(2, KeyFlags::RW.with(KeyFlags::INSERT))];
const UPDATE: &[KeySpec] = &[KeySpec::one(2, KeyFlags::RW.with(KeyFlags::UPDATE))];
const DELETE: &[KeySpec] = &[KeySpec::one(2, KeyFlags::RW.with(KeyFlags::DELETE))];

const XGROUP_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::WRITE,
    acl: AclCategories::STREAM,
    lock: LockClass::Keys,
    since: "5.0.0",
    group: Group::Stream,
    ..CommandSpec::BASE
};

/// XGROUP
pub static XGROUP: CommandSpec = CommandSpec {
    name: "xgroup",
    arity: -2,
    flags: Flags::NONE,
    acl: AclCategories::NONE,
    lock: LockClass::None,
    complexity: "That of the subcommand",
    summary: "Manages the groups of consumers of a stream.",
    subcommands: &[
        &XGROUP_CREATE,
        &XGROUP_CREATECONSUMER,
        &XGROUP_DELCONSUMER,
        &XGROUP_DESTROY,
        &XGROUP_HELP,
        &XGROUP_SETID,
    ],
    ..XGROUP_COMMAND
};

/// XGROUP CREATE
pub static XGROUP_CREATE: CommandSpec = CommandSpec {
    name: "create",
    arity: -5,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: INSERT,
    summary: "Creates a group that has got all entries up to an ID, with MKSTREAM also the stream.",
    syntax: "key group <id|$> [MKSTREAM] [ENTRIESREAD entries-read]",
    changed_in: &["7.0.0"],
    handler: create,
    ..XGROUP_COMMAND
};

fn create(context: &mut Context<'_>) -> CommandResult {
    let options = Options::parse(context, true)?;
    let (db, key, name) = (context.db(), context.key(2), context.argv.at(3));
    let last_id = match parse_last_id(context, 5..=8, parse_id) {
        Ok(last_id) => last_id,
        Err(error) => {
            let exists = stream::exists(&mut context.txn, db, key)?;
            return Err(if exists || options.create_stream { error } else { error::XGROUP_NO_KEY });
        }
    };
    let group = NewGroup { name, last_id, entries_read: options.entries_read };
    stream::create_group(&mut context.txn, db, key, &group, options.create_stream)
        .map_err(|refused| refusal(context, refused))?;
    context.reply.ok();
    Ok(())
}

/// XGROUP SETID
pub static XGROUP_SETID: CommandSpec = CommandSpec {
    name: "setid",
    arity: -5,
    keys: UPDATE,
    summary: "Sets the ID up to which a group has got all entries.",
    syntax: "key group <id|$> [ENTRIESREAD entries-read]",
    changed_in: &["7.0.0"],
    handler: setid,
    ..XGROUP_COMMAND
};

fn setid(context: &mut Context<'_>) -> CommandResult {
    let options = Options::parse(context, false)?;
    let (db, key, name) = (context.db(), context.key(2), context.argv.at(3));
    let parse = |text: &[u8]| StreamId::parse_edge(text, 0).ok_or(error::STREAM_ID);
    let last_id = match parse_last_id(context, 5..=7, parse) {
        Ok(last_id) => last_id,
        Err(error) => {
            let found = stream::check_group(&mut context.txn, db, key, name);
            return Err(found.map_or_else(|refused| refusal(context, refused), |()| error));
        }
    };
    let group = NewGroup { name, last_id, entries_read: options.entries_read };
    let set = stream::set_group_id(&mut context.txn, db, key, &group);
    set.map_err(|refused| refusal(context, refused))?;
    context.reply.ok();
    Ok(())
}

/// XGROUP DESTROY
pub static XGROUP_DESTROY: CommandSpec = CommandSpec {
    name: "destroy",
    arity: 4,
    keys: DELETE,
    complexity: "O(N), N being the entries that were not acknowledged",
    summary: "Destroys a group with all that its consumers have not acknowledged.",
    syntax: "key group",
    handler: destroy,
    ..XGROUP_COMMAND
};

fn destroy(context: &mut Context<'_>) -> CommandResult {
    let (db, key, name) = (context.db(), context.key(2), context.argv.at(3));
    let destroyed = stream::destroy_group(&mut context.txn, db, key, name);
    let destroyed = destroyed.map_err(|refused| refusal(context, refused))?;
    context.reply.int(i64::from(destroyed));
    Ok(())
}

/// XGROUP CREATECONSUMER
pub static XGROUP_CREATECONSUMER: CommandSpec = CommandSpec {
    name: "createconsumer",
    arity: 5,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: INSERT,
    since: "6.2.0",
    summary: "Creates a consumer in a group.",
    syntax: "key group consumer",
    handler: create_consumer,
    ..XGROUP_COMMAND
};

fn create_consumer(context: &mut Context<'_>) -> CommandResult {
    let (db, key, [name, consumer]) = (context.db(), context.key(2), [3, 4].map(|index| context.argv.at(index)));
    let created = stream::create_consumer(&mut context.txn, db, key, name, consumer);
    let created = created.map_err(|refused| refusal(context, refused))?;
    context.reply.int(i64::from(created));
    Ok(())
}

/// XGROUP DELCONSUMER
pub static XGROUP_DELCONSUMER: CommandSpec = CommandSpec {
    name: "delconsumer",
    arity: 5,
    keys: DELETE,
    summary: "Deletes a consumer with all that it has not acknowledged, and counts that.",
    syntax: "key group consumer",
    handler: delete_consumer,
    ..XGROUP_COMMAND
};

fn delete_consumer(context: &mut Context<'_>) -> CommandResult {
    let (db, key, [name, consumer]) = (context.db(), context.key(2), [3, 4].map(|index| context.argv.at(index)));
    let pending = stream::delete_consumer(&mut context.txn, db, key, name, consumer);
    let pending = pending.map_err(|refused| refusal(context, refused))?;
    context.reply.int(pending as i64);
    Ok(())
}

/// XGROUP HELP
pub static XGROUP_HELP: CommandSpec = CommandSpec {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.with(Flags::STALE),
    lock: LockClass::None,
    summary: "Lists the subcommands.",
    handler: help,
    ..XGROUP_COMMAND
};

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&XGROUP];

/// The options of XGROUP CREATE and SETID.
#[derive(Default)]
struct Options {
    create_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(context: &Context<'_>, may_create: bool) -> Result<Options, CommandError> {
        let (mut options, mut cursor) = (Options::default(), context.argv.cursor(5));
        while !cursor.is_done() {
            if may_create && cursor.token("MKSTREAM") {
                options.create_stream = true;
            } else if cursor.remaining() > 1 && cursor.token("ENTRIESREAD") {
                options.entries_read = parse_entries_read(&mut cursor)?;
            } else {
                return Err(wrong_form(context));
            }
        }
        Ok(options)
    }
}

/// How many entries were read; -1 for that this is unknown.
fn parse_entries_read(cursor: &mut Cursor<'_>) -> Result<Option<u64>, CommandError> {
    match cursor.int()? {
        -1 => Ok(None),
        count => u64::try_from(count).map(Some).map_err(|_| error::ENTRIES_READ),
    }
}

/// The ID, or `None` for `$`, the last one. Options may be repeated, but only as far as the number of arguments allows.
fn parse_last_id(
    context: &Context<'_>,
    arguments: RangeInclusive<usize>,
    parse: impl FnOnce(&[u8]) -> Result<StreamId, CommandError>,
) -> Result<Option<StreamId>, CommandError> {
    if !arguments.contains(&context.argv.len()) {
        return Err(wrong_form(context));
    }
    match context.argv.at(4) {
        b"$" => Ok(None),
        text => parse(text).map(Some),
    }
}

fn wrong_form(context: &Context<'_>) -> CommandError {
    error::unknown_subcommand_or_arity("XGROUP", context.argv.at(1))
}

fn refusal(context: &Context<'_>, refused: GroupError) -> CommandError {
    match refused {
        GroupError::Key(error) => error.into(),
        GroupError::NoStream => error::XGROUP_NO_KEY,
        GroupError::NoGroup => error::no_group(context.argv.at(2), context.argv.at(3)),
        GroupError::Exists => error::BUSY_GROUP,
    }
}
