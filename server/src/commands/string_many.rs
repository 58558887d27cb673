//! Several strings at once.

use super::string::write_str;
use super::string_options;
use crate::command::{AclCategories, Begin, CommandSpec, Find, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandResult};
use ochre_store::string::{self, Condition, Expiry, SetOptions};
use ochre_store::{Error, keyspace};

const MANY_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::STRING, lock: LockClass::Keys, group: Group::String, ..CommandSpec::BASE };

/// MGET
pub static MGET: CommandSpec = CommandSpec {
    name: "mget",
    arity: -2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::rest(1, 1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(N), N being the number of keys",
    summary: "Returns the strings at several keys, null for those that hold none.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard"],
    handler: mget,
    ..MANY_COMMAND
};

fn mget(context: &mut Context<'_>) -> CommandResult {
    let db = context.db();
    context.reply.array(context.argv.len().saturating_sub(1));
    for index in 1..context.argv.len() {
        let key = context.key(index);
        match string::get(&mut context.txn, db, key) {
            Ok(Some(value)) => write_str(&mut context.reply, value),
            Ok(None) | Err(Error::WrongType) => context.reply.null(),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// MSET
pub static MSET: CommandSpec = CommandSpec {
    name: "mset",
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::rest(1, 2, KeyFlags::OW.with(KeyFlags::UPDATE))],
    since: "1.0.1",
    complexity: "O(N), N being the number of keys",
    summary: "Sets several keys to strings, all at once.",
    syntax: "key value [key value ...]",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    handler: mset,
    ..MANY_COMMAND
};

fn mset(context: &mut Context<'_>) -> CommandResult {
    check_pairs(context)?;
    set_pairs(context, 1, context.argv.len(), SetOptions::default())?;
    context.reply.ok();
    Ok(())
}

/// MSETNX
pub static MSETNX: CommandSpec = CommandSpec {
    name: "msetnx",
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec::rest(1, 2, KeyFlags::OW.with(KeyFlags::INSERT))],
    since: "1.0.1",
    complexity: "O(N), N being the number of keys",
    summary: "Sets several keys to strings if none of them exists.",
    syntax: "key value [key value ...]",
    handler: msetnx,
    ..MANY_COMMAND
};

fn msetnx(context: &mut Context<'_>) -> CommandResult {
    check_pairs(context)?;
    let pairs = (1, context.argv.len());
    let free = holds_for_all(context, pairs.0, pairs.1, Condition::Nx)?;
    if free {
        set_pairs(context, pairs.0, pairs.1, SetOptions::default())?;
    }
    context.reply.int(i64::from(free));
    Ok(())
}

/// MSETEX
pub static MSETEX: CommandSpec = CommandSpec {
    name: "msetex",
    arity: -4,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[KeySpec {
        flags: KeyFlags::OW.with(KeyFlags::UPDATE),
        begin: Begin::Index(1),
        find: Find::KeyNum { count: 0, first: 1, step: 2 },
    }],
    since: "9.1.0",
    complexity: "O(N), N being the number of keys",
    summary: "Sets several keys to strings with one deadline, on a condition about all of them.",
    syntax: "numkeys key value [key value ...] [NX|XX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    handler: msetex,
    ..MANY_COMMAND
};

fn msetex(context: &mut Context<'_>) -> CommandResult {
    let keys = context.argv.cursor(1).int_in(1, i64::from(i32::MAX), error::BAD_NUMKEYS)? as usize;
    let end = keys.saturating_mul(2).saturating_add(2);
    if end > context.argv.len() {
        return Err(error::SYNTAX);
    }
    let options = string_options::parse_msetex(context.argv, end)?.resolve(context.now_ms(), "msetex")?;
    let holds = holds_for_all(context, 2, end, options.condition)?;
    if holds {
        set_pairs(context, 2, end, SetOptions { condition: Condition::Always, ..options })?;
        if let Expiry::At(at_ms) = options.expiry
            && context.propagates()
        {
            let is_deadline = |index: &usize| {
                let name = context.argv.at(*index);
                [b"EX".as_slice(), b"PX", b"EXAT", b"PXAT"].iter().any(|deadline| name.eq_ignore_ascii_case(deadline))
            };
            let names: Vec<usize> = (end..context.argv.len()).filter(is_deadline).collect();
            let at_ms = at_ms.to_string();
            let changed = names.iter().flat_map(|name| [(*name, b"PXAT".as_slice()), (*name + 1, at_ms.as_bytes())]);
            context.propagate_with(&changed.collect::<Vec<_>>());
        }
    }
    context.reply.int(i64::from(holds));
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&MGET, &MSET, &MSETNX, &MSETEX];

/// A value must follow each key: more than the arity can tell.
fn check_pairs(context: &Context<'_>) -> CommandResult {
    if context.argv.len().is_multiple_of(2) { Err(error::wrong_arity(&context.command.full_name)) } else { Ok(()) }
}

/// Whether the condition holds for each of the keys at every second argument from `from` up to `end`.
fn holds_for_all(
    context: &mut Context<'_>,
    from: usize,
    end: usize,
    condition: Condition<'_>,
) -> Result<bool, error::CommandError> {
    let wanted = match condition {
        Condition::Nx => false,
        Condition::Xx => true,
        Condition::Always | Condition::IfEq(_) => return Ok(true),
    };
    let db = context.db();
    for index in (from..end).step_by(2) {
        let key = context.key(index);
        if keyspace::exists_for_write(&mut context.txn, db, key)? != wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Sets the keys at every second argument from `from` up to `end` to the arguments that follow them.
fn set_pairs(context: &mut Context<'_>, from: usize, end: usize, options: SetOptions<'_>) -> CommandResult {
    let db = context.db();
    for index in (from..end).step_by(2) {
        let key = context.key(index);
        string::set(&mut context.txn, db, key, context.argv.at(index + 1), options)?;
    }
    Ok(())
}
