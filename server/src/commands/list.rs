//! The ends of lists: push, pop, length.

use super::string::write_str;
use crate::args::Cursor;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::list::{self, Elements, End};

pub(super) const LIST_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::LIST, lock: LockClass::Keys, group: Group::List, ..CommandSpec::BASE };

/// What all pushes declare.
const PUSH_COMMAND: CommandSpec = CommandSpec {
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))],
    complexity: "O(N), N being the number of elements",
    syntax: "key element [element ...]",
    ..LIST_COMMAND
};

/// What all pops declare.
const POP_COMMAND: CommandSpec = CommandSpec {
    arity: -2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))],
    complexity: "O(N), N being the number of elements returned",
    syntax: "key [count]",
    changed_in: &["6.2.0"],
    ..LIST_COMMAND
};

/// LPUSH
pub static LPUSH: CommandSpec = CommandSpec {
    name: "lpush",
    summary: "Adds elements at the left end of a list, creating it if the key is missing.",
    changed_in: &["2.4.0"],
    handler: lpush,
    ..PUSH_COMMAND
};

fn lpush(context: &mut Context<'_>) -> CommandResult {
    push(context, End::Head)
}

/// RPUSH
pub static RPUSH: CommandSpec = CommandSpec {
    name: "rpush",
    summary: "Adds elements at the right end of a list, creating it if the key is missing.",
    changed_in: &["2.4.0"],
    handler: rpush,
    ..PUSH_COMMAND
};

fn rpush(context: &mut Context<'_>) -> CommandResult {
    push(context, End::Tail)
}

fn push(context: &mut Context<'_>, end: End) -> CommandResult {
    let (db, key, elements) = (context.db(), context.key(1), context.argv.from(2));
    let len = list::push(&mut context.txn, db, key, end, elements.iter())?;
    context.reply.int(len as i64);
    Ok(())
}

/// LPUSHX
pub static LPUSHX: CommandSpec = CommandSpec {
    name: "lpushx",
    since: "2.2.0",
    summary: "Adds elements at the left end of a list that exists.",
    changed_in: &["4.0.0"],
    handler: lpushx,
    ..PUSH_COMMAND
};

fn lpushx(context: &mut Context<'_>) -> CommandResult {
    push_existing(context, End::Head)
}

/// RPUSHX
pub static RPUSHX: CommandSpec = CommandSpec {
    name: "rpushx",
    since: "2.2.0",
    summary: "Adds elements at the right end of a list that exists.",
    changed_in: &["4.0.0"],
    handler: rpushx,
    ..PUSH_COMMAND
};

fn rpushx(context: &mut Context<'_>) -> CommandResult {
    push_existing(context, End::Tail)
}

fn push_existing(context: &mut Context<'_>, end: End) -> CommandResult {
    let (db, key, elements) = (context.db(), context.key(1), context.argv.from(2));
    let len = list::push_existing(&mut context.txn, db, key, end, elements.iter())?;
    context.reply.int(len as i64);
    Ok(())
}

/// LPOP
pub static LPOP: CommandSpec =
    CommandSpec { name: "lpop", summary: "Takes elements off the left end of a list.", handler: lpop, ..POP_COMMAND };

fn lpop(context: &mut Context<'_>) -> CommandResult {
    pop(context, End::Head)
}

/// RPOP
pub static RPOP: CommandSpec =
    CommandSpec { name: "rpop", summary: "Takes elements off the right end of a list.", handler: rpop, ..POP_COMMAND };

fn rpop(context: &mut Context<'_>) -> CommandResult {
    pop(context, End::Tail)
}

fn pop(context: &mut Context<'_>, end: End) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    match context.argv.len() {
        2 => {
            let reply = &mut context.reply;
            if list::pop(&mut context.txn, db, key, end, |element| write_str(reply, element))?.is_none() {
                reply.null();
            }
        }
        3 => {
            let count = context.argv.cursor(2).int_in(0, i64::MAX, error::NOT_POSITIVE)? as usize;
            let reply = &mut context.reply;
            let popped =
                list::pop_many(&mut context.txn, db, key, end, count, |elements| write_elements(reply, elements))?;
            if popped.is_none() {
                reply.null_array();
            }
        }
        _ => return Err(error::wrong_arity(&context.command.full_name)),
    }
    Ok(())
}

/// LLEN
pub static LLEN: CommandSpec = CommandSpec {
    name: "llen",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    summary: "Returns the number of elements of a list.",
    syntax: "key",
    handler: llen,
    ..LIST_COMMAND
};

fn llen(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let len = list::len(&mut context.txn, db, key)?;
    context.reply.int(len as i64);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&LPUSH, &RPUSH, &LPUSHX, &RPUSHX, &LPOP, &RPOP, &LLEN];

/// Replies with an array of elements.
#[inline]
pub(super) fn write_elements(reply: &mut ReplyWriter<'_>, elements: Elements<'_>) {
    reply.array(elements.len());
    elements.for_each(|element| write_str(reply, element));
}

/// The next argument as an end of a list.
pub(super) fn parse_end(cursor: &mut Cursor<'_>) -> Result<End, CommandError> {
    cursor.one_of(&[("left", End::Head), ("right", End::Tail)]).ok_or(error::SYNTAX)
}
