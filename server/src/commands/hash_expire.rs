//! Deadlines of fields. Redis 7.4 brought them and Valkey 9 made them anew; where the two differ, this is Valkey's: a
//! hash with such fields is a hash table, HEXPIRE takes several conditions at once, and error texts are other ones.

use super::expire::parse_condition;
use super::hash::write_value;
use super::string_options::{parse_hgetex, parse_hsetex};
use crate::args::{Argv, parse_int};
use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_resp::reply::ReplyWriter;
use ochre_store::hash::{self, FieldExpiry, FieldOutcome, GetFieldExpiry, KeyCondition, PersistOutcome};
use ochre_store::{Error, Txn};

const SECOND_MS: i64 = 1000;

const FIELD_COMMAND: CommandSpec = CommandSpec {
    arity: -5,
    flags: Flags::READONLY.with(Flags::FAST),
    acl: AclCategories::HASH,
    keys: &[KeySpec::one(1, KeyFlags::RO.with(KeyFlags::ACCESS))],
    lock: LockClass::Keys,
    since: "9.0.0",
    group: Group::Hash,
    complexity: "O(N), N being the number of fields given",
    syntax: "key FIELDS numfields field [field ...]",
    ..CommandSpec::BASE
};

const EXPIRE_COMMAND: CommandSpec = CommandSpec {
    arity: -6,
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    ..FIELD_COMMAND
};

/// HEXPIRE
pub static HEXPIRE: CommandSpec = CommandSpec {
    name: "hexpire",
    summary: "Makes fields of a hash expire after some seconds.",
    syntax: "key seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
    handler: hexpire,
    ..EXPIRE_COMMAND
};

fn hexpire(context: &mut Context<'_>) -> CommandResult {
    set_deadlines(context, context.now_ms(), SECOND_MS)
}

/// HPEXPIRE
pub static HPEXPIRE: CommandSpec = CommandSpec {
    name: "hpexpire",
    summary: "Makes fields of a hash expire after some milliseconds.",
    syntax: "key milliseconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
    handler: hpexpire,
    ..EXPIRE_COMMAND
};

fn hpexpire(context: &mut Context<'_>) -> CommandResult {
    set_deadlines(context, context.now_ms(), 1)
}

/// HEXPIREAT
pub static HEXPIREAT: CommandSpec = CommandSpec {
    name: "hexpireat",
    summary: "Makes fields of a hash expire at a time in Unix seconds.",
    syntax: "key unix-time-seconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
    handler: hexpireat,
    ..EXPIRE_COMMAND
};

fn hexpireat(context: &mut Context<'_>) -> CommandResult {
    set_deadlines(context, 0, SECOND_MS)
}

/// HPEXPIREAT
pub static HPEXPIREAT: CommandSpec = CommandSpec {
    name: "hpexpireat",
    summary: "Makes fields of a hash expire at a time in Unix milliseconds.",
    syntax: "key unix-time-milliseconds [NX|XX|GT|LT] FIELDS numfields field [field ...]",
    handler: hpexpireat,
    ..EXPIRE_COMMAND
};

fn hpexpireat(context: &mut Context<'_>) -> CommandResult {
    set_deadlines(context, 0, 1)
}

/// HTTL
pub static HTTL: CommandSpec = CommandSpec {
    name: "httl",
    summary: "Tells how many seconds fields of a hash have left.",
    handler: httl,
    ..FIELD_COMMAND
};

fn httl(context: &mut Context<'_>) -> CommandResult {
    tell_deadlines(context, |deadline, now_ms| rounded_seconds(left(deadline, now_ms)))
}

/// HPTTL
pub static HPTTL: CommandSpec = CommandSpec {
    name: "hpttl",
    summary: "Tells how many milliseconds fields of a hash have left.",
    handler: hpttl,
    ..FIELD_COMMAND
};

fn hpttl(context: &mut Context<'_>) -> CommandResult {
    tell_deadlines(context, left)
}

/// HEXPIRETIME
pub static HEXPIRETIME: CommandSpec = CommandSpec {
    name: "hexpiretime",
    summary: "Tells when fields of a hash expire, in Unix seconds.",
    handler: hexpiretime,
    ..FIELD_COMMAND
};

fn hexpiretime(context: &mut Context<'_>) -> CommandResult {
    tell_deadlines(context, |deadline, _| rounded_seconds(deadline))
}

/// HPEXPIRETIME
pub static HPEXPIRETIME: CommandSpec = CommandSpec {
    name: "hpexpiretime",
    summary: "Tells when fields of a hash expire, in Unix milliseconds.",
    handler: hpexpiretime,
    ..FIELD_COMMAND
};

fn hpexpiretime(context: &mut Context<'_>) -> CommandResult {
    tell_deadlines(context, |deadline, _| deadline)
}

/// HPERSIST
pub static HPERSIST: CommandSpec = CommandSpec {
    name: "hpersist",
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::UPDATE))],
    summary: "Removes the deadlines of fields of a hash.",
    handler: hpersist,
    ..FIELD_COMMAND
};

fn hpersist(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let names = parse_names(context.argv, error::FIELD_COUNT)?;
    reply_array(context, names.len(), |txn, reply| {
        hash::persist(txn, db, key, names.iter(), &mut |outcome| {
            reply.int(match outcome {
                PersistOutcome::Missing => -2,
                PersistOutcome::Permanent => -1,
                PersistOutcome::Persisted => 1,
            });
        })
    })
}

/// HGETEX
pub static HGETEX: CommandSpec = CommandSpec {
    name: "hgetex",
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::UPDATE))],
    summary: "Returns the values of fields of a hash and sets or removes their deadlines.",
    syntax: "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] FIELDS numfields field [field ...]",
    handler: hgetex,
    ..FIELD_COMMAND
};

fn hgetex(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let (options, names) = split_at_fields(context.argv, 2, 1, parse_hgetex)?;
    let expiry = match options.resolve_for_fields(context.now_ms(), "hgetex") {
        Ok(expiry) => expiry,
        Err(error) => {
            // A key of another type is told first.
            hash::read(&mut context.txn, db, key)?;
            return Err(error);
        }
    };
    let (mut found, propagates) = (Vec::new(), context.propagates());
    reply_array(context, names.len(), |txn, reply| {
        let mut index = 0;
        hash::get_and_expire(txn, db, key, names.iter(), expiry, &mut |value| {
            if propagates && value.is_some() {
                found.push(index);
            }
            index += 1;
            write_value(reply, value);
        })
    })?;
    if propagates {
        propagate_expiry(context, names, &found, expiry);
    }
    Ok(())
}

/// Says what is propagated of an HGETEX that has found these of the names.
#[cold]
fn propagate_expiry(context: &mut Context<'_>, names: Argv<'_>, found: &[usize], expiry: GetFieldExpiry) {
    match expiry {
        GetFieldExpiry::Keep => {}
        GetFieldExpiry::Persist => propagate_fields(context, &[b"HPERSIST"], &[], names),
        GetFieldExpiry::At(at_ms) if at_ms <= context.now_ms() => propagate_fields_deleted(context, names, found),
        GetFieldExpiry::At(at_ms) => {
            propagate_fields(context, &[b"HPEXPIREAT"], &[at_ms.to_string().as_bytes()], names);
        }
    }
}

/// Has `name key … FIELDS numfields field …` propagated.
fn propagate_fields(context: &mut Context<'_>, name: &[&[u8]], options: &[&[u8]], names: Argv<'_>) {
    let count = names.len().to_string();
    let mut line = name.to_vec();
    line.push(context.argv.at(1));
    line.extend_from_slice(options);
    line.extend([b"FIELDS".as_slice(), count.as_bytes()]);
    line.extend(names.iter());
    context.propagate_as(&line);
}

/// Has the deletion of some of the names propagated.
fn propagate_fields_deleted(context: &mut Context<'_>, names: Argv<'_>, deleted: &[usize]) {
    let mut line = vec![b"HDEL".as_slice(), context.argv.at(1)];
    line.extend(deleted.iter().map(|index| names.at(*index)));
    context.propagate_as(&line);
}

/// HSETEX
pub static HSETEX: CommandSpec = CommandSpec {
    name: "hsetex",
    arity: -6,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))],
    summary: "Sets fields of a hash, on a condition and with a deadline if wanted.",
    syntax: "key [NX|XX] [FNX|FXX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] FIELDS numfields field value [field value ...]",
    handler: hsetex,
    ..FIELD_COMMAND
};

fn hsetex(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let (options, pairs) = split_at_fields(context.argv, 2, 2, parse_hsetex)?;
    let condition = options.key;
    let done = match options.resolve(context.now_ms(), "hsetex") {
        Ok(options) => {
            let done = hash::set_with_options(&mut context.txn, db, key, super::hash::pairs(pairs, 0), options)?;
            if context.propagates() {
                propagate_setting(context, pairs, options.expiry);
            }
            done
        }
        Err(error) => {
            // A key of another type, or one that fails the condition, is told first.
            let exists = hash::read(&mut context.txn, db, key)?.is_some();
            match condition {
                KeyCondition::Nx if exists => false,
                KeyCondition::Xx if !exists => false,
                _ => return Err(error),
            }
        }
    };
    context.reply.int(i64::from(done));
    Ok(())
}

/// Says what is propagated of an HSETEX, whose conditions have held.
#[cold]
fn propagate_setting(context: &mut Context<'_>, pairs: Argv<'_>, expiry: FieldExpiry) {
    let names: Vec<_> = pairs.iter().step_by(2).collect();
    let (count, at) = (
        names.len().to_string(),
        match expiry {
            FieldExpiry::At(at_ms) => at_ms.to_string(),
            _ => String::new(),
        },
    );
    if matches!(expiry, FieldExpiry::At(at_ms) if at_ms <= context.now_ms()) {
        let mut line = vec![b"HDEL".as_slice(), context.argv.at(1)];
        line.extend(names);
        context.propagate_as(&line);
        return;
    }
    let mut line = vec![b"HSETEX".as_slice(), context.argv.at(1)];
    match expiry {
        FieldExpiry::At(_) => line.extend([b"PXAT".as_slice(), at.as_bytes()]),
        FieldExpiry::Keep => line.push(b"KEEPTTL"),
        FieldExpiry::Clear => {}
    }
    line.extend([b"FIELDS".as_slice(), count.as_bytes()]);
    line.extend(pairs.iter());
    context.propagate_as(&line);
}

/// HGETDEL
pub static HGETDEL: CommandSpec = CommandSpec {
    name: "hgetdel",
    flags: Flags::WRITE.with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::DELETE))],
    since: "9.1.0",
    summary: "Returns the values of fields of a hash and deletes the fields.",
    handler: hgetdel,
    ..FIELD_COMMAND
};

fn hgetdel(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let names = parse_names(context.argv, error::FIELD_COUNT)?;
    reply_array(context, names.len(), |txn, reply| {
        hash::get_and_delete(txn, db, key, names.iter(), &mut |value| write_value(reply, value))?;
        Ok(())
    })
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[
    &HEXPIRE,
    &HPEXPIRE,
    &HEXPIREAT,
    &HPEXPIREAT,
    &HTTL,
    &HPTTL,
    &HEXPIRETIME,
    &HPEXPIRETIME,
    &HPERSIST,
    &HGETEX,
    &HSETEX,
    &HGETDEL,
];

fn set_deadlines(context: &mut Context<'_>, base_ms: i64, unit_ms: i64) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let (condition, names) = split_at_fields(context.argv, 3, 1, parse_condition)?;
    let number = parse_int(context.argv.at(2)).ok_or(error::NOT_INTEGER)?;
    let at_ms = number.checked_mul(unit_ms).and_then(|ms| ms.checked_add(base_ms)).filter(|_| number >= 0);
    let at_ms = at_ms.ok_or_else(|| error::invalid_expire(context.command.spec.name))?;
    let (mut deleted, mut index, propagates) = (Vec::new(), 0, context.propagates());
    reply_array(context, names.len(), |txn, reply| {
        hash::expire_at_ms(txn, db, key, names.iter(), at_ms, condition, &mut |outcome| {
            if propagates && outcome == FieldOutcome::Deleted {
                deleted.push(index);
            }
            index += 1;
            reply.int(match outcome {
                FieldOutcome::Missing => -2,
                FieldOutcome::Unchanged => 0,
                FieldOutcome::Set => 1,
                FieldOutcome::Deleted => 2,
            });
        })
    })?;
    if !deleted.is_empty() {
        propagate_fields_deleted(context, names, &deleted);
    } else if propagates {
        context.propagate_with(&[(0, b"HPEXPIREAT"), (2, at_ms.to_string().as_bytes())]);
    }
    Ok(())
}

/// Replies for each field -2 where there is none, -1 where it has no deadline, else what `tell` makes of the deadline
/// and the time.
fn tell_deadlines(context: &mut Context<'_>, tell: fn(i64, i64) -> i64) -> CommandResult {
    let (db, key, now_ms) = (context.db(), context.key(1), context.now_ms());
    let names = parse_names(context.argv, error::SYNTAX)?;
    let fields = hash::read(&mut context.txn, db, key)?;
    context.reply.array(names.len());
    for name in names.iter() {
        context.reply.int(match fields.and_then(|fields| fields.deadline_ms(name)) {
            None => -2,
            Some(None) => -1,
            Some(Some(deadline)) => tell(deadline, now_ms),
        });
    }
    Ok(())
}

fn left(deadline: i64, now_ms: i64) -> i64 {
    deadline.saturating_sub(now_ms).max(0)
}

/// Seconds, half of one counting as a whole.
fn rounded_seconds(ms: i64) -> i64 {
    ms / SECOND_MS + i64::from(ms % SECOND_MS >= SECOND_MS / 2)
}

/// `FIELDS numfields field …` from argument 2 on: the fields. `otherwise` where the number is not theirs.
fn parse_names(argv: Argv<'_>, otherwise: CommandError) -> Result<Argv<'_>, CommandError> {
    let mut cursor = argv.cursor(2);
    if !cursor.token("FIELDS") {
        return Err(error::SYNTAX);
    }
    let count = cursor.int()?;
    let names = argv.from(4);
    if count == 0 || usize::try_from(count) != Ok(names.len()) { Err(otherwise) } else { Ok(names) }
}

/// Options from argument `from` on, which `parse` is given alone, and behind them `FIELDS numfields` with `each`
/// arguments for a field: the options, and what follows the number.
fn split_at_fields<'a, T>(
    argv: Argv<'a>,
    from: usize,
    each: usize,
    parse: fn(Argv<'a>) -> Result<T, CommandError>,
) -> Result<(T, Argv<'a>), CommandError> {
    let word = (from..argv.len().saturating_sub(1)).find(|index| argv.at(*index).eq_ignore_ascii_case(b"FIELDS"));
    let Some(word) = word else { return Err(error::FIELD_COUNT) };
    let options = parse(argv.to(word))?;
    let count = argv.cursor(word + 1).int()?;
    let rest = argv.from(word + 2);
    let expected = usize::try_from(count).ok().and_then(|count| count.checked_mul(each));
    if count == 0 || expected != Some(rest.len()) { Err(error::FIELD_COUNT) } else { Ok((options, rest)) }
}

/// Replies an array of `len` elements, which `act` writes unless it errs.
fn reply_array(
    context: &mut Context<'_>,
    len: usize,
    act: impl FnOnce(&mut Txn<'_>, &mut ReplyWriter<'_>) -> Result<(), Error>,
) -> CommandResult {
    let before = context.reply.position();
    context.reply.array(len);
    act(&mut context.txn, &mut context.reply).map_err(|error| {
        context.reply.rewind(before);
        CommandError::Store(error)
    })
}
