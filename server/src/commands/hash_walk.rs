//! Hashes as a whole, in part or at random.

use super::scan_options::{Walk, scan_collection};
use super::string::write_str;
use crate::args::parse_int;
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::{Protocol, ReplyWriter};
use ochre_store::random::Random;
use ochre_store::{Str, hash};

const WALK_COMMAND: CommandSpec = CommandSpec {
    arity: 2,
    flags: Flags::READONLY,
    acl: AclCategories::HASH,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    lock: LockClass::Keys,
    since: "2.0.0",
    group: Group::Hash,
    complexity: "O(N), N being the number of fields",
    syntax: "key",
    tips: &["nondeterministic_output_order"],
    ..CommandSpec::BASE
};

/// HGETALL
pub static HGETALL: CommandSpec = CommandSpec {
    name: "hgetall",
    summary: "Returns all fields of a hash with their values.",
    handler: hgetall,
    ..WALK_COMMAND
};

fn hgetall(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let reply = &mut context.reply;
    let Some(fields) = hash::read(&mut context.txn, db, key)? else {
        reply.map(0);
        return Ok(());
    };
    if !fields.may_hide() {
        reply.map(fields.len());
        fields.for_each(|name, value| {
            write_str(reply, name);
            write_str(reply, value);
        });
        return Ok(());
    }
    let map = reply.deferred_map();
    let mut shown = 0;
    fields.for_each(|name, value| {
        write_str(reply, name);
        write_str(reply, value);
        shown += 1;
    });
    reply.set_len(map, shown);
    Ok(())
}

/// HKEYS
pub static HKEYS: CommandSpec = CommandSpec {
    name: "hkeys",
    summary: "Returns the names of all fields of a hash.",
    handler: hkeys,
    ..WALK_COMMAND
};

fn hkeys(context: &mut Context<'_>) -> CommandResult {
    list(context, |name, _| name)
}

/// HVALS
pub static HVALS: CommandSpec = CommandSpec {
    name: "hvals",
    summary: "Returns the values of all fields of a hash.",
    handler: hvals,
    ..WALK_COMMAND
};

fn hvals(context: &mut Context<'_>) -> CommandResult {
    list(context, |_, value| value)
}

/// HRANDFIELD
pub static HRANDFIELD: CommandSpec = CommandSpec {
    name: "hrandfield",
    arity: -2,
    since: "6.2.0",
    complexity: "O(N), N being the number of fields returned",
    summary: "Returns random fields of a hash.",
    syntax: "key [count [WITHVALUES]]",
    tips: &["nondeterministic_output"],
    handler: hrandfield,
    ..WALK_COMMAND
};

fn hrandfield(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let wanted = parse_random(context)?;
    let mut random = Random::new(crate::random::number());
    let most = context.reply_max_bytes();
    let fields = hash::read(&mut context.txn, db, key)?;
    let reply = &mut context.reply;
    let Some((count, with_values)) = wanted else {
        super::hash::write_value(reply, fields.and_then(|fields| fields.random_one(&mut random)).map(|(name, _)| name));
        return Ok(());
    };
    let Some(fields) = fields.filter(|_| count != 0) else {
        reply.array(0);
        return Ok(());
    };
    let array = reply.deferred_array();
    let mut replies = 0;
    let nested = with_values && reply.protocol() == Protocol::Resp3;
    let mut write = |name: Str<'_>, value: Str<'_>| {
        if nested {
            reply.array(2);
        }
        write_str(reply, name);
        if with_values {
            write_str(reply, value);
        }
        replies += 1 + usize::from(with_values && !nested);
        reply.position() <= most
    };
    let number = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if count < 0 {
        // Who asks for more than a client may be sent is cut off for it, not served.
        fields.random(number, &mut random, &mut write);
    } else {
        fields.random_distinct(number, &mut random, &mut |name, value| _ = write(name, value));
    }
    reply.set_len(array, replies);
    Ok(())
}

/// HSCAN
pub static HSCAN: CommandSpec = CommandSpec {
    name: "hscan",
    arity: -3,
    since: "2.8.0",
    complexity: "O(1) for a call; O(N) for a whole iteration over N fields",
    summary: "Walks over the fields of a hash in steps.",
    syntax: "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
    tips: &["nondeterministic_output"],
    handler: hscan,
    ..WALK_COMMAND
};

fn hscan(context: &mut Context<'_>) -> CommandResult {
    scan_collection(context, Walk::Hash, |txn, db, key, cursor, page| {
        let count = page.count();
        hash::scan(txn, db, key, cursor, count, &mut |name, value| page.pair(name, value))
    })
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&HGETALL, &HKEYS, &HVALS, &HRANDFIELD, &HSCAN];

/// Replies what `choose` takes of each field.
fn list(context: &mut Context<'_>, choose: for<'a> fn(Str<'a>, Str<'a>) -> Str<'a>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let reply: &mut ReplyWriter<'_> = &mut context.reply;
    let Some(fields) = hash::read(&mut context.txn, db, key)? else {
        reply.array(0);
        return Ok(());
    };
    if !fields.may_hide() {
        reply.array(fields.len());
        fields.for_each(|name, value| write_str(reply, choose(name, value)));
        return Ok(());
    }
    let array = reply.deferred_array();
    let mut shown = 0;
    fields.for_each(|name, value| {
        write_str(reply, choose(name, value));
        shown += 1;
    });
    reply.set_len(array, shown);
    Ok(())
}

/// `[count [WITHVALUES]]`
fn parse_random(context: &Context<'_>) -> Result<Option<(i64, bool)>, CommandError> {
    let Some(count) = context.argv.get(2) else { return Ok(None) };
    let count = parse_int(count).ok_or(error::NOT_INTEGER)?;
    if count == i64::MIN {
        return Err(error::NO_NEGATIVE);
    }
    let mut cursor = context.argv.cursor(3);
    let with_values = cursor.token("WITHVALUES");
    cursor.finish()?;
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(error::OUT_OF_RANGE);
    }
    Ok(Some((count, with_values)))
}
