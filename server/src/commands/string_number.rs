//! Strings as numbers.

use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_store::string;

const NUMBER_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    acl: AclCategories::STRING,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    lock: LockClass::Keys,
    group: Group::String,
    ..CommandSpec::BASE
};

/// INCR
pub static INCR: CommandSpec = CommandSpec {
    name: "incr",
    arity: 2,
    summary: "Adds one to an integer; a missing key counts as 0.",
    syntax: "key",
    handler: incr,
    ..NUMBER_COMMAND
};

fn incr(context: &mut Context<'_>) -> CommandResult {
    add(context, 1)
}

/// DECR
pub static DECR: CommandSpec = CommandSpec {
    name: "decr",
    arity: 2,
    summary: "Subtracts one from an integer; a missing key counts as 0.",
    syntax: "key",
    handler: decr,
    ..NUMBER_COMMAND
};

fn decr(context: &mut Context<'_>) -> CommandResult {
    add(context, -1)
}

/// INCRBY
pub static INCRBY: CommandSpec = CommandSpec {
    name: "incrby",
    arity: 3,
    summary: "Adds a number to an integer; a missing key counts as 0.",
    syntax: "key increment",
    handler: incrby,
    ..NUMBER_COMMAND
};

fn incrby(context: &mut Context<'_>) -> CommandResult {
    let increment = context.argv.cursor(2).int()?;
    add(context, increment)
}

/// DECRBY
pub static DECRBY: CommandSpec = CommandSpec {
    name: "decrby",
    arity: 3,
    summary: "Subtracts a number from an integer; a missing key counts as 0.",
    syntax: "key decrement",
    handler: decrby,
    ..NUMBER_COMMAND
};

fn decrby(context: &mut Context<'_>) -> CommandResult {
    let decrement = context.argv.cursor(2).int()?;
    add(context, decrement.checked_neg().ok_or(error::DECREMENT_OVERFLOWS)?)
}

/// INCRBYFLOAT
pub static INCRBYFLOAT: CommandSpec = CommandSpec {
    name: "incrbyfloat",
    arity: 3,
    since: "2.6.0",
    summary: "Adds a number to a floating-point number; a missing key counts as 0.",
    syntax: "key increment",
    handler: incrbyfloat,
    ..NUMBER_COMMAND
};

fn incrbyfloat(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let sum = string::incr_by_float(&mut context.txn, db, key, context.argv.at(2))?;
    context.propagate_as(&[b"SET", key.bytes(), sum.as_ref(), b"KEEPTTL"]);
    context.reply.bulk(sum);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&INCR, &DECR, &INCRBY, &DECRBY, &INCRBYFLOAT];

fn add(context: &mut Context<'_>, increment: i64) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let sum = string::incr_by(&mut context.txn, db, key, increment)?;
    context.reply.int(sum);
    Ok(())
}
