//! Parts of strings, and their length.

use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_store::string;

const RANGE_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::STRING, lock: LockClass::Keys, group: Group::String, ..CommandSpec::BASE };

/// APPEND
pub static APPEND: CommandSpec = CommandSpec {
    name: "append",
    arity: 3,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))],
    since: "2.0.0",
    complexity: "O(1) amortised",
    summary: "Adds bytes to the end of a string, creating it if the key is missing.",
    syntax: "key value",
    handler: append,
    ..RANGE_COMMAND
};

fn append(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let length = string::append(&mut context.txn, db, key, context.argv.at(2))?;
    context.reply.int(length as i64);
    Ok(())
}

/// STRLEN
pub static STRLEN: CommandSpec = CommandSpec {
    name: "strlen",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    since: "2.2.0",
    summary: "Returns the length of a string in bytes.",
    syntax: "key",
    handler: strlen,
    ..RANGE_COMMAND
};

fn strlen(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let length = string::length(&mut context.txn, db, key)?;
    context.reply.int(length as i64);
    Ok(())
}

/// GETRANGE
pub static GETRANGE: CommandSpec = CommandSpec {
    name: "getrange",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "2.4.0",
    complexity: "O(N), N being the bytes returned",
    summary: "Returns part of a string, by first and last byte.",
    syntax: "key start end",
    handler: getrange,
    ..RANGE_COMMAND
};

/// SUBSTR
pub static SUBSTR: CommandSpec = CommandSpec {
    name: "substr",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(N), N being the bytes returned",
    summary: "Returns part of a string; the old name of GETRANGE.",
    syntax: "key start end",
    handler: getrange,
    ..RANGE_COMMAND
};

fn getrange(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let mut cursor = context.argv.cursor(2);
    let (start, end) = (cursor.int()?, cursor.int()?);
    let reply = &mut context.reply;
    string::get_range(&mut context.txn, db, key, start, end, |bytes| reply.bulk(bytes))?;
    Ok(())
}

/// SETRANGE
pub static SETRANGE: CommandSpec = CommandSpec {
    name: "setrange",
    arity: 4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    since: "2.2.0",
    complexity: "O(1) amortised; O(N) for N bytes written or added",
    summary: "Overwrites part of a string from an offset on, after zeros where it is shorter.",
    syntax: "key offset value",
    handler: setrange,
    ..RANGE_COMMAND
};

fn setrange(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let offset = context.argv.cursor(2).int()?;
    let offset = usize::try_from(offset).map_err(|_| error::OFFSET_OUT_OF_RANGE)?;
    let length = string::set_range(&mut context.txn, db, key, offset, context.argv.at(3))?;
    context.reply.int(length as i64);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&APPEND, &STRLEN, &GETRANGE, &SUBSTR, &SETRANGE];
