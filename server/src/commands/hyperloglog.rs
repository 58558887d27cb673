//! Counting distinct elements approximately.

use crate::command::{AclCategories, CommandSpec, Flags, Group, KeyFlags, KeySpec, LockClass};
use crate::context::Context;
use crate::error::{self, CommandError, CommandResult};
use ochre_store::Key;
use ochre_store::hyperloglog::{self, Opcode, Representation};
use std::sync::atomic::Ordering::Relaxed;

const HYPERLOGLOG_COMMAND: CommandSpec = CommandSpec {
    acl: AclCategories::HYPERLOGLOG,
    lock: LockClass::Keys,
    since: "2.8.9",
    group: Group::HyperLogLog,
    ..CommandSpec::BASE
};

/// PFADD
pub static PFADD: CommandSpec = CommandSpec {
    name: "pfadd",
    arity: -2,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::FAST),
    keys: &[KeySpec::one(1, KeyFlags::RW.with(KeyFlags::INSERT))],
    complexity: "O(1) an element",
    summary: "Adds elements to a HyperLogLog, creating it if the key is missing.",
    syntax: "key [element [element ...]]",
    handler: pfadd,
    ..HYPERLOGLOG_COMMAND
};

fn pfadd(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(1));
    let elements = context.argv.iter().skip(2);
    let changed = hyperloglog::add(&mut context.txn, db, key, elements)?;
    context.reply.int(i64::from(changed));
    Ok(())
}

/// PFCOUNT
pub static PFCOUNT: CommandSpec = CommandSpec {
    name: "pfcount",
    arity: -2,
    flags: Flags::READONLY.with(Flags::MAY_REPLICATE),
    keys: &[KeySpec::rest(1, 1, KeyFlags::RW.with(KeyFlags::ACCESS))],
    complexity: "O(1) for one key, whose count is cached; O(N) for N keys",
    summary: "Estimates how many distinct elements HyperLogLogs have together.",
    syntax: "key [key ...]",
    handler: pfcount,
    ..HYPERLOGLOG_COMMAND
};

fn pfcount(context: &mut Context<'_>) -> CommandResult {
    let (db, keys) = (context.db(), keys_from(context, 1));
    let cardinality = match keys.as_slice() {
        [key] => hyperloglog::count(&mut context.txn, db, *key)?,
        keys => hyperloglog::count_union(&mut context.txn, db, keys)?,
    };
    context.reply.int(cardinality as i64);
    Ok(())
}

/// PFMERGE
pub static PFMERGE: CommandSpec = CommandSpec {
    name: "pfmerge",
    arity: -2,
    flags: Flags::WRITE.with(Flags::DENYOOM),
    keys: &[
        KeySpec::one(1, KeyFlags::RW.with(KeyFlags::ACCESS).with(KeyFlags::INSERT)),
        KeySpec::rest(2, 1, KeyFlags::RO.with(KeyFlags::ACCESS)),
    ],
    complexity: "O(N), N being the keys",
    summary: "Adds the elements of HyperLogLogs to another one.",
    syntax: "destkey [sourcekey [sourcekey ...]]",
    handler: pfmerge,
    ..HYPERLOGLOG_COMMAND
};

fn pfmerge(context: &mut Context<'_>) -> CommandResult {
    let (db, destination) = (context.db(), context.key(1));
    let sources = keys_from(context, 2);
    hyperloglog::merge(&mut context.txn, db, destination, &sources)?;
    context.reply.ok();
    Ok(())
}

/// PFDEBUG
pub static PFDEBUG: CommandSpec = CommandSpec {
    name: "pfdebug",
    arity: 3,
    flags: Flags::WRITE.with(Flags::DENYOOM).with(Flags::ADMIN),
    keys: &[KeySpec::one(2, KeyFlags::RW.with(KeyFlags::ACCESS))],
    complexity: "O(1)",
    summary: "Shows how a HyperLogLog is stored.",
    syntax: "subcommand key",
    handler: pfdebug,
    ..HYPERLOGLOG_COMMAND
};

const DEBUG_ACTIONS: [(&str, DebugAction); 4] =
    [("getreg", show_registers), ("decode", show_opcodes), ("encoding", show_representation), ("todense", make_dense)];

/// Works on a key that holds a HyperLogLog, stored in this way.
type DebugAction = fn(&mut Context<'_>, usize, Key<'_>, Representation) -> CommandResult;

fn pfdebug(context: &mut Context<'_>) -> CommandResult {
    let (db, key) = (context.db(), context.key(2));
    let has_simd = context.server.config().compatibility_level.has_simd_switch();
    if has_simd && context.argv.at(1).eq_ignore_ascii_case(b"simd") {
        return switch_simd(context);
    }
    let Some(representation) = hyperloglog::representation(&mut context.txn, db, key)? else {
        return Err(error::SPECIFIED_KEY_MISSING);
    };
    match context.argv.cursor(1).one_of(&DEBUG_ACTIONS) {
        Some(action) => action(context, db, key, representation),
        None => Err(error::unknown_pfdebug_subcommand(context.argv.at(1))),
    }
}

/// The registers, one by one. Leaves a dense value behind, as real servers do.
fn show_registers(context: &mut Context<'_>, db: usize, key: Key<'_>, _: Representation) -> CommandResult {
    hyperloglog::to_dense(&mut context.txn, db, key)?;
    let registers = hyperloglog::registers(&mut context.txn, db, key)?.unwrap_or_default();
    context.reply.array(registers.len());
    registers.into_iter().for_each(|register| context.reply.int(i64::from(register)));
    Ok(())
}

fn show_opcodes(context: &mut Context<'_>, db: usize, key: Key<'_>, representation: Representation) -> CommandResult {
    if representation != Representation::Sparse {
        return Err(error::HYPERLOGLOG_NOT_SPARSE);
    }
    let opcodes = hyperloglog::opcodes(&mut context.txn, db, key)?;
    let texts: Vec<String> = opcodes.into_iter().map(opcode_text).collect();
    context.reply.bulk(texts.join(" "));
    Ok(())
}

fn opcode_text(opcode: Opcode) -> String {
    match opcode {
        Opcode::Zeros(len) => format!("z:{len}"),
        Opcode::WideZeros(len) => format!("Z:{len}"),
        Opcode::Values { value, len } => format!("v:{value},{len}"),
    }
}

fn show_representation(context: &mut Context<'_>, _: usize, _: Key<'_>, of: Representation) -> CommandResult {
    context.reply.simple(match of {
        Representation::Dense => "dense",
        Representation::Sparse => "sparse",
    });
    Ok(())
}

fn make_dense(context: &mut Context<'_>, db: usize, key: Key<'_>, _: Representation) -> CommandResult {
    let changed = hyperloglog::to_dense(&mut context.txn, db, key)?;
    context.reply.int(i64::from(changed == Some(true)));
    Ok(())
}

/// There are no vector instructions of ours to be switched: they stay disabled, as on other machines without them.
fn switch_simd(context: &mut Context<'_>) -> CommandResult {
    match context.argv.cursor(2).one_of(&[("on", ()), ("off", ())]) {
        Some(()) => context.reply.simple("disabled"),
        None => return Err(error::ON_OR_OFF),
    }
    Ok(())
}

/// PFSELFTEST
pub static PFSELFTEST: CommandSpec = CommandSpec {
    name: "pfselftest",
    arity: 1,
    flags: Flags::ADMIN,
    lock: LockClass::None,
    complexity: "O(1), but about a tenth of a second",
    summary: "Checks that HyperLogLogs count as they should.",
    handler: pfselftest,
    ..HYPERLOGLOG_COMMAND
};

fn pfselftest(context: &mut Context<'_>) -> CommandResult {
    let sparse_bytes_max = context.txn.settings().hll_sparse_max_bytes.load(Relaxed);
    context.after.time_passed = true;
    hyperloglog::self_test(crate::random::number(), sparse_bytes_max).map_err(|failure| self_test_error(&failure))?;
    context.reply.ok();
    Ok(())
}

fn self_test_error(failure: &hyperloglog::SelfTestFailure) -> CommandError {
    tracing::error!(%failure, "The self test of HyperLogLogs failed");
    error::self_test_failed(failure)
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&PFADD, &PFCOUNT, &PFMERGE, &PFDEBUG, &PFSELFTEST];

/// The arguments from `index` on, as keys.
fn keys_from<'c>(context: &Context<'c>, index: usize) -> Vec<Key<'c>> {
    (index..context.argv.len()).map(|index| context.key(index)).collect()
}
