//! Sets, one at a time.

use super::scan_options::{Walk, scan_collection};
use super::string::write_str;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::CommandResult;
use ochre_store::set;

pub(super) const SET_COMMAND: CommandSpec =
    CommandSpec { acl: AclCategories::SET, lock: LockClass::Keys, group: Group::Set, ..CommandSpec::BASE };

/// SADD
pub static SADD: CommandSpec = CommandSpec {
    name: "sadd",
    arity: -3,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))],
    complexity: "O(N), N being the number of members given",
    summary: "Adds members to a set, which is made if need be, and tells how many are new.",
    syntax: "key member [member ...]",
    changed_in: &["2.4.0"],
    handler: sadd,
    ..SET_COMMAND
};

fn sadd(context: &mut Context<'_>) -> CommandResult {
    let (db, key, members) = (context.db(), context.key(1), context.argv.from(2));
    let added = set::add(&mut context.txn, db, key, members.len(), members.iter())?;
    context.reply.int(added as i64);
    Ok(())
}

/// SREM
pub static SREM: CommandSpec = CommandSpec {
    name: "srem",
    arity: -3,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::DELETE))],
    complexity: "O(N), N being the number of members given",
    summary: "Removes members from a set and tells how many there were.",
    syntax: "key member [member ...]",
    changed_in: &["2.4.0"],
    handler: srem,
    ..SET_COMMAND
};

fn srem(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let removed = set::remove(&mut context.txn, db, key, context.argv.from(2).iter())?;
    context.reply.int(removed as i64);
    Ok(())
}

/// SISMEMBER
pub static SISMEMBER: CommandSpec = CommandSpec {
    name: "sismember",
    arity: 3,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    summary: "Tells whether something is a member of a set.",
    syntax: "key member",
    handler: sismember,
    ..SET_COMMAND
};

fn sismember(context: &mut Context<'_>) -> CommandResult {
    let (db, key, member) = (context.db(), context.key(1), context.argv.at(2));
    let set = set::get(&mut context.txn, db, key)?;
    context.reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
    Ok(())
}

/// SMISMEMBER
pub static SMISMEMBER: CommandSpec = CommandSpec {
    name: "smismember",
    arity: -3,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "6.2.0",
    complexity: "O(N), N being the number of members given",
    summary: "Tells of several things whether they are members of a set.",
    syntax: "key member [member ...]",
    handler: smismember,
    ..SET_COMMAND
};

fn smismember(context: &mut Context<'_>) -> CommandResult {
    let (db, key, members) = (context.db(), context.key(1), context.argv.from(2));
    let set = set::get(&mut context.txn, db, key)?;
    context.reply.array(members.len());
    for member in members.iter() {
        context.reply.int(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

/// SCARD
pub static SCARD: CommandSpec = CommandSpec {
    name: "scard",
    arity: 2,
    flags: Flags::READONLY.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RO)],
    summary: "Counts the members of a set.",
    syntax: "key",
    handler: scard,
    ..SET_COMMAND
};

fn scard(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let len = set::get(&mut context.txn, db, key)?.map_or(0, |set| set.len());
    context.reply.int(len as i64);
    Ok(())
}

/// SMEMBERS
pub static SMEMBERS: CommandSpec = CommandSpec {
    name: "smembers",
    arity: 2,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    complexity: "O(N), N being the number of members",
    summary: "Returns all members of a set.",
    syntax: "key",
    tips: &["nondeterministic_output_order"],
    handler: smembers,
    ..SET_COMMAND
};

fn smembers(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let Some(set) = set::get(&mut context.txn, db, key)? else {
        context.reply.set(0);
        return Ok(());
    };
    context.reply.set(set.len());
    set.for_each(|member| write_str(&mut context.reply, member));
    Ok(())
}

/// SMOVE
pub static SMOVE: CommandSpec = CommandSpec {
    name: "smove",
    arity: 4,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE)),
        KeySpec::one(2, KeyFlags::RW.with(KeyFlags::INSERT)),
    ],
    summary: "Takes a member from one set to another.",
    syntax: "source destination member",
    handler: smove,
    ..SET_COMMAND
};

fn smove(context: &mut Context<'_>) -> CommandResult {
    let (db, from, to) = (context.db(), context.key(1), context.key(2));
    let moved = set::move_member(&mut context.txn, db, from, to, context.argv.at(3))?;
    context.reply.int(i64::from(moved));
    Ok(())
}

/// SSCAN
pub static SSCAN: CommandSpec = CommandSpec {
    name: "sscan",
    arity: -3,
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    since: "2.8.0",
    complexity: "O(1) for a call; O(N) for a whole iteration over N members",
    summary: "Walks over the members of a set in steps.",
    syntax: "key cursor [MATCH pattern] [COUNT count]",
    tips: &["nondeterministic_output"],
    handler: sscan,
    ..SET_COMMAND
};

fn sscan(context: &mut Context<'_>) -> CommandResult {
    scan_collection(context, Walk::Set, |txn, db, key, cursor, page| {
        set::scan(txn, db, key, cursor, page.count(), &mut |member| page.member(member))
    })
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&SADD, &SREM, &SISMEMBER, &SMISMEMBER, &SCARD, &SMEMBERS, &SMOVE, &SSCAN];
