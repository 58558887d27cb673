//! Single strings: get, set, delete.

use super::string_options::{self, Deadline};
use crate::args::Argv;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::CommandResult;
use ochre_resp::reply::ReplyWriter;
use ochre_store::Str;
use ochre_store::string::{self, Condition, Expiry, GetExpiry, SetOptions};
use std::borrow::Cow;

const STRING_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::STRING, lock: LockClass::Keys, group: Group::String, ..CommandSpec::BASE };

/// GET
pub static GET: CommandSpec = CommandSpec {
    name: "get",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    summary: "Returns the string at a key.",
    syntax: "key",
    handler: get,
    ..STRING_COMMAND
};

fn get(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    match string::get(&mut context.txn, db, key)? {
        Some(value) => write_str(&mut context.reply, value),
        None => context.reply.null(),
    }
    Ok(())
}

/// SET
pub static SET: CommandSpec = CommandSpec {
    name: "set",
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE).with(KeyFlags::VARIABLE_FLAGS))],
    key_flags: Some(set_key_flags),
    summary: "Sets a key to a string, whatever it held; conditions and a deadline are optional.",
    syntax: "key value [NX|XX|IFEQ comparison-value] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
    changed_in: &["2.6.12", "6.0.0", "6.2.0", "7.0.0", "8.1.0"],
    handler: set,
    ..STRING_COMMAND
};

fn set(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    if context.argv.len() == 3 {
        string::put(&mut context.txn, db, key, context.argv.at(2))?;
        context.reply.ok();
        return Ok(());
    }
    let options = string_options::parse_set(context.argv)?.resolve(context.now_ms(), "set")?;
    let outcome = string::set(&mut context.txn, db, key, context.argv.at(2), options)?;
    if context.propagates() {
        propagate_set(context, context.argv.at(2), options);
    }
    match outcome.old {
        Some(old) => context.reply.bulk(old),
        None if outcome.done && !options.get => context.reply.ok(),
        None => context.reply.null(),
    }
    Ok(())
}

/// The old value is used only where it is asked for.
fn set_key_flags(argv: Argv<'_>) -> KeyFlags {
    let is_read = argv.iter().skip(3).any(|word| word.eq_ignore_ascii_case(b"get"));
    let effect = if is_read { KeyFlags::RW.with(KeyFlags::ACCESS) } else { KeyFlags::OW };
    effect.with(KeyFlags::UPDATE)
}

/// SETNX
pub static SETNX: CommandSpec = CommandSpec {
    name: "setnx",
    arity: 3,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::INSERT))],
    summary: "Sets a key to a string if the key is missing.",
    syntax: "key value",
    handler: setnx,
    ..STRING_COMMAND
};

fn setnx(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let options = SetOptions { condition: Condition::Nx, ..SetOptions::default() };
    let outcome = string::set(&mut context.txn, db, key, context.argv.at(2), options)?;
    context.reply.int(i64::from(outcome.done));
    Ok(())
}

/// SETEX
pub static SETEX: CommandSpec = CommandSpec {
    name: "setex",
    arity: 4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE))],
    since: "2.0.0",
    summary: "Sets a key to a string that expires after some seconds.",
    syntax: "key seconds value",
    handler: setex,
    ..STRING_COMMAND
};

fn setex(context: &mut Context<'_>) -> CommandResult {
    set_for(context, Deadline::seconds(context.argv.at(2)))
}

/// PSETEX
pub static PSETEX: CommandSpec = CommandSpec {
    name: "psetex",
    arity: 4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::one(1, KeyFlags::OW.with(KeyFlags::UPDATE))],
    since: "2.6.0",
    summary: "Sets a key to a string that expires after some milliseconds.",
    syntax: "key milliseconds value",
    handler: psetex,
    ..STRING_COMMAND
};

fn psetex(context: &mut Context<'_>) -> CommandResult {
    set_for(context, Deadline::milliseconds(context.argv.at(2)))
}

fn set_for(context: &mut Context<'_>, deadline: Deadline<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let at = deadline.resolve(context.now_ms(), context.command.spec.name)?;
    let options = SetOptions { expiry: Expiry::At(at), ..SetOptions::default() };
    string::set(&mut context.txn, db, key, context.argv.at(3), options)?;
    if context.propagates() {
        propagate_set(context, context.argv.at(3), options);
    }
    context.reply.ok();
    Ok(())
}

/// Says what is propagated of a SET with options: a deadline by the time it means, and neither the condition nor GET then.
#[cold]
fn propagate_set(context: &mut Context<'_>, value: &[u8], options: SetOptions<'_>) {
    let argv = context.argv;
    if let Expiry::At(at_ms) = options.expiry {
        let at_ms = at_ms.to_string();
        context.propagate_as(&[b"SET", argv.at(1), value, b"PXAT", at_ms.as_bytes()]);
    } else if options.get {
        let is_get = |argument: &[u8]| argument.eq_ignore_ascii_case(b"get");
        let kept = argv.iter().enumerate().filter(|(index, argument)| *index < 3 || !is_get(argument));
        let kept: Vec<_> = kept.map(|(_, argument)| argument).collect();
        context.propagate_as(&kept);
    }
}

/// GETSET
pub static GETSET: CommandSpec = CommandSpec {
    name: "getset",
    arity: 3,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    summary: "Sets a key to a string and returns what it held before.",
    syntax: "key value",
    handler: getset,
    ..STRING_COMMAND
};

fn getset(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let options = SetOptions { get: true, ..SetOptions::default() };
    let outcome = string::set(&mut context.txn, db, key, context.argv.at(2), options)?;
    context.propagate_with(&[(0, b"SET")]);
    write_optional(context, outcome.old);
    Ok(())
}

/// GETDEL
pub static GETDEL: CommandSpec = CommandSpec {
    name: "getdel",
    arity: 2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))],
    since: "6.2.0",
    summary: "Returns the string at a key and deletes the key.",
    syntax: "key",
    handler: getdel,
    ..STRING_COMMAND
};

fn getdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let value = string::get_and_delete(&mut context.txn, db, key)?;
    if context.propagates() {
        let lazily = context.server.config().lazyfree_lazy_user_del;
        context.propagate_deletion(key.bytes(), lazily);
    }
    write_optional(context, value);
    Ok(())
}

/// GETEX
pub static GETEX: CommandSpec = CommandSpec {
    name: "getex",
    arity: -2,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    since: "6.2.0",
    summary: "Returns the string at a key and sets or removes its deadline.",
    syntax: "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]",
    handler: getex,
    ..STRING_COMMAND
};

fn getex(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let expiry = match string_options::parse_getex(context.argv)?.resolve(context.now_ms(), "getex") {
        Ok(expiry) => expiry,
        // A key that is missing or of another type is told first.
        Err(error) => match string::get(&mut context.txn, db, key)? {
            Some(_) => return Err(error),
            None => GetExpiry::Keep,
        },
    };
    let value = string::get_and_expire(&mut context.txn, db, key, expiry)?;
    if context.propagates() {
        propagate_expiry(context, key.bytes(), expiry);
    }
    write_optional(context, value);
    Ok(())
}

/// Says what is propagated of a GETEX.
#[cold]
fn propagate_expiry(context: &mut Context<'_>, key: &[u8], expiry: GetExpiry) {
    match expiry {
        GetExpiry::Keep => {}
        GetExpiry::Persist => context.propagate_as(&[b"PERSIST", key]),
        GetExpiry::At(at_ms) if at_ms <= context.now_ms() => {
            let lazily = context.server.config().lazyfree_lazy_expire;
            context.propagate_deletion(key, lazily);
        }
        GetExpiry::At(at_ms) => context.propagate_as(&[b"PEXPIREAT", key, at_ms.to_string().as_bytes()]),
    }
}

/// DELIFEQ
pub static DELIFEQ: CommandSpec = CommandSpec {
    name: "delifeq",
    arity: 3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RM.with(KeyFlags::DELETE))],
    since: "9.0.0",
    summary: "Deletes a key if it holds a given string.",
    syntax: "key value",
    handler: delifeq,
    ..STRING_COMMAND
};

fn delifeq(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let deleted = string::delete_if_equal(&mut context.txn, db, key, context.argv.at(2))?;
    context.propagate_deletion(key.bytes(), false);
    context.reply.int(i64::from(deleted));
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&GET, &SET, &SETNX, &SETEX, &PSETEX, &GETSET, &GETDEL, &GETEX, &DELIFEQ];

/// Writes a string value as a bulk string.
#[inline(always)]
pub(super) fn write_str(reply: &mut ReplyWriter<'_>, value: Str<'_>) {
    match value {
        Str::Int(number) => reply.bulk_int(number),
        Str::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// The bytes of a string value.
pub(super) fn str_bytes<'a>(value: &Str<'a>) -> Cow<'a, [u8]> {
    match value {
        Str::Int(number) => Cow::Owned(number.to_string().into_bytes()),
        Str::Bytes(bytes) => Cow::Borrowed(bytes),
    }
}

fn write_optional(context: &mut Context<'_>, value: Option<Vec<u8>>) {
    match value {
        Some(value) => context.reply.bulk(value),
        None => context.reply.null(),
    }
}
