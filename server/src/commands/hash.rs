//! Single fields of hashes, and several by name.

use super::string::write_str;
use crate::args::Argv;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::hash::{self, Increment};
use ochre_store::{Error, Str, keyspace};

const HASH_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::READONLY.with(Flags::FAST),
    acl: AclCategories::HASH,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    lock: LockClass::Keys,
    since: "2.0.0",
    group: Group::Hash,
    ..CommandSpec::BASE
};

const SET_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    complexity: "O(N), N being the number of fields set",
    syntax: "key field value [field value ...]",
    ..HASH_COMMAND
};

const NUMBER_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    syntax: "key field increment",
    ..HASH_COMMAND
};

/// HSET
pub static HSET: CommandSpec = CommandSpec {
    name: "hset",
    arity: -4,
    summary: "Sets fields of a hash and tells how many of them are new.",
    changed_in: &["4.0.0"],
    handler: hset,
    ..SET_COMMAND
};

fn hset(context: &mut Context<'_>) -> CommandResult {
    let created = set(context)?;
    context.reply.int(created as i64);
    Ok(())
}

/// HMSET
pub static HMSET: CommandSpec =
    CommandSpec { name: "hmset", arity: -4, summary: "Sets fields of a hash.", handler: hmset, ..SET_COMMAND };

fn hmset(context: &mut Context<'_>) -> CommandResult {
    set(context)?;
    context.reply.ok();
    Ok(())
}

/// HSETNX
pub static HSETNX: CommandSpec = CommandSpec {
    name: "hsetnx",
    arity: 4,
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))],
    complexity: "O(1)",
    summary: "Sets a field of a hash if there is no such field.",
    syntax: "key field value",
    handler: hsetnx,
    ..SET_COMMAND
};

fn hsetnx(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let hides = has_deadlines(context)?;
    let done = hash::set_new(&mut context.txn, db, key, context.argv.at(2), context.argv.at(3))?;
    if hides {
        context.propagate_with(&[(0, b"HSET")]);
    }
    context.reply.int(i64::from(done));
    Ok(())
}

/// HGET
pub static HGET: CommandSpec = CommandSpec {
    name: "hget",
    arity: 3,
    summary: "Returns the value of a field of a hash.",
    syntax: "key field",
    handler: hget,
    ..HASH_COMMAND
};

fn hget(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let fields = hash::read(&mut context.txn, db, key)?;
    match fields.and_then(|fields| fields.get(context.argv.at(2))) {
        Some(value) => write_str(&mut context.reply, value),
        None => context.reply.null(),
    }
    Ok(())
}

/// HMGET
pub static HMGET: CommandSpec = CommandSpec {
    name: "hmget",
    arity: -3,
    complexity: "O(N), N being the number of fields asked for",
    summary: "Returns the values of fields of a hash, null for those that do not exist.",
    syntax: "key field [field ...]",
    handler: hmget,
    ..HASH_COMMAND
};

fn hmget(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let mut seeker = hash::read(&mut context.txn, db, key)?.map(|fields| fields.seeker());
    context.reply.array(context.argv.len().saturating_sub(2));
    for name in context.argv.from(2).iter() {
        match seeker.as_mut().and_then(|seeker| seeker.get(name)) {
            Some(value) => write_str(&mut context.reply, value),
            None => context.reply.null(),
        }
    }
    Ok(())
}

/// HDEL
pub static HDEL: CommandSpec = CommandSpec {
    name: "hdel",
    arity: -3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))],
    complexity: "O(N), N being the number of fields to delete",
    summary: "Deletes fields of a hash, and the hash with its last field.",
    syntax: "key field [field ...]",
    changed_in: &["2.4.0"],
    handler: hdel,
    ..HASH_COMMAND
};

fn hdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let deleted = hash::delete(&mut context.txn, db, key, context.argv.from(2).iter())?;
    context.reply.int(deleted as i64);
    Ok(())
}

/// HLEN
pub static HLEN: CommandSpec = CommandSpec {
    name: "hlen",
    arity: 2,
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    summary: "Tells the number of fields of a hash.",
    syntax: "key",
    handler: hlen,
    ..HASH_COMMAND
};

fn hlen(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    // As in Valkey, fields that have expired count until they are removed.
    let len = hash::read(&mut context.txn, db, key)?.map_or(0, |fields| fields.len());
    context.reply.int(len as i64);
    Ok(())
}

/// HEXISTS
pub static HEXISTS: CommandSpec = CommandSpec {
    name: "hexists",
    arity: 3,
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    summary: "Tells whether a hash has a field.",
    syntax: "key field",
    handler: hexists,
    ..HASH_COMMAND
};

fn hexists(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let fields = hash::read(&mut context.txn, db, key)?;
    let exists = fields.is_some_and(|fields| fields.get(context.argv.at(2)).is_some());
    context.reply.int(i64::from(exists));
    Ok(())
}

/// HSTRLEN
pub static HSTRLEN: CommandSpec = CommandSpec {
    name: "hstrlen",
    arity: 3,
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    since: "3.2.0",
    summary: "Tells how long the value of a field of a hash is.",
    syntax: "key field",
    handler: hstrlen,
    ..HASH_COMMAND
};

fn hstrlen(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let fields = hash::read(&mut context.txn, db, key)?;
    let value = fields.and_then(|fields| fields.get(context.argv.at(2)));
    context.reply.int(value.map_or(0, |value| value.len() as i64));
    Ok(())
}

/// HINCRBY
pub static HINCRBY: CommandSpec = CommandSpec {
    name: "hincrby",
    arity: 4,
    summary: "Adds a number to the integer in a field of a hash; a missing field counts as 0.",
    handler: hincrby,
    ..NUMBER_COMMAND
};

fn hincrby(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let delta = context.argv.cursor(3).int()?;
    let hides = has_deadlines(context)?;
    let sum = hash::incr_by(&mut context.txn, db, key, context.argv.at(2), delta).map_err(|error| match error {
        Error::NotInteger => error::HASH_VALUE_NOT_INTEGER,
        other => CommandError::Store(other),
    })?;
    propagate_sum(context, sum.to_string().as_bytes(), hides);
    context.reply.int(sum);
    Ok(())
}

/// Whether some fields of the hash have deadlines, so that a copy may have them or not; not asked while nobody has one.
fn has_deadlines(context: &mut Context<'_>) -> Result<bool, CommandError> {
    if !context.propagates() {
        return Ok(false);
    }
    let (db, key) = (context.db(), context.key(1));
    keyspace::peek_type(&mut context.txn, db, key)?;
    Ok(hash::look(&context.txn, db, &key)?.is_some_and(|fields| fields.may_hide()))
}

/// Has the field that was counted up propagated with its new value, and with its deadline, if `always` or if it has one.
fn propagate_sum(context: &mut Context<'_>, sum: &[u8], always: bool) {
    if !context.propagates() {
        return;
    }
    let (db, key, field) = (context.db(), context.key(1), context.argv.at(2));
    let deadline =
        hash::look(&context.txn, db, &key).ok().flatten().and_then(|fields| fields.deadline_ms(field).flatten());
    if let Some(at_ms) = deadline {
        let at_ms = at_ms.to_string();
        context.propagate_as(&[b"HSETEX", key.bytes(), b"PXAT", at_ms.as_bytes(), b"FIELDS", b"1", field, sum]);
    } else if always {
        context.propagate_with(&[(0, b"HSET"), (3, sum)]);
    }
}

/// HINCRBYFLOAT
pub static HINCRBYFLOAT: CommandSpec = CommandSpec {
    name: "hincrbyfloat",
    arity: 4,
    since: "2.6.0",
    summary: "Adds a number to the floating-point number in a field of a hash; a missing field counts as 0.",
    handler: hincrbyfloat,
    ..NUMBER_COMMAND
};

fn hincrbyfloat(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let increment = Increment::parse(context.argv.at(3)).map_err(|error| match error {
        Error::NanOrInfinity => error::NAN_OR_INFINITY,
        other => CommandError::Store(other),
    })?;
    let sum = hash::incr_by_float(&mut context.txn, db, key, context.argv.at(2), increment);
    let sum = sum.map_err(|error| match error {
        Error::NotFloat => error::HASH_VALUE_NOT_FLOAT,
        other => CommandError::Store(other),
    })?;
    propagate_sum(context, sum.as_ref(), true);
    context.reply.bulk(sum);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] =
    &[&HSET, &HMSET, &HSETNX, &HGET, &HMGET, &HDEL, &HLEN, &HEXISTS, &HSTRLEN, &HINCRBY, &HINCRBYFLOAT];

/// The arguments from `index` on as names with values; an odd last one is left out.
pub(super) fn pairs(argv: Argv<'_>, index: usize) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> + Clone {
    let argv = argv.from(index);
    (0..argv.len() / 2).map(move |pair| (argv.at(2 * pair), argv.at(2 * pair + 1)))
}

/// Writes a value, or null.
pub(super) fn write_value(reply: &mut ochre_resp::reply::ReplyWriter<'_>, value: Option<Str<'_>>) {
    match value {
        Some(value) => write_str(reply, value),
        None => reply.null(),
    }
}

fn set(context: &mut Context<'_>) -> Result<usize, CommandError> {
    if !context.argv.len().is_multiple_of(2) {
        return Err(error::wrong_arity(&context.command.full_name));
    }
    let (db, key) = (context.db(), context.key(1));
    Ok(hash::set(&mut context.txn, db, key, pairs(context.argv, 2))?)
}
