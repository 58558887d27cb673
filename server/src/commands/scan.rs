//! Walking over all keys: SCAN, KEYS, RANDOMKEY.

use crate::command::{AclCategories, CommandSpec, Flags, Group, LockClass};
use crate::commands::generic::type_name;
use crate::commands::scan_options::{ScanOptions, Walk, parse_cursor};
use crate::context::Context;
use crate::error::{CommandError, CommandResult};
use crate::glob;
use crate::server::Attention;
use ochre_resp::reply::ReplyWriter;
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Error, Txn, Type, keyspace};

const SCAN_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::READONLY,
    acl: AclCategories::KEYSPACE,
    lock: LockClass::Walk,
    group: Group::Generic,
    ..CommandSpec::BASE
};

/// KEYS
pub static KEYS: CommandSpec = CommandSpec {
    name: "keys",
    arity: 2,
    acl: AclCategories::DANGEROUS.with(AclCategories::KEYSPACE),
    lock: LockClass::All,
    complexity: "O(N), N being the keys of the database",
    summary: "Lists all keys that match a pattern.",
    syntax: "pattern",
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    handler: keys,
    ..SCAN_COMMAND
};

fn keys(context: &mut Context<'_>) -> CommandResult {
    let (db, pattern) = (context.db(), context.argv.at(1));
    let every = pattern == b"*";
    let reply = &mut context.reply;
    let list = reply.deferred_array();
    let mut count = 0;
    keyspace::keys(&mut context.txn, db, &mut |key, _| {
        if every || glob::matches(pattern, key, false) {
            reply.bulk(key);
            count += 1;
        }
    })?;
    reply.set_len(list, count);
    Ok(())
}

/// RANDOMKEY
pub static RANDOMKEY: CommandSpec = CommandSpec {
    name: "randomkey",
    summary: "Returns some key of the database.",
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    handler: randomkey,
    ..SCAN_COMMAND
};

fn randomkey(context: &mut Context<'_>) -> CommandResult {
    let db = context.db();
    for _ in 0..RANDOM_TRIES {
        let Some(shard) = keyspace::random_shard(&context.server.store, db, crate::random::number()) else { break };
        // None: everything in that shard has expired meanwhile.
        if let Some(key) = in_shard(context, shard, |txn| keyspace::random_key(txn, db, shard))? {
            context.reply.bulk(key);
            return Ok(());
        }
    }
    context.reply.null();
    Ok(())
}

/// SCAN
pub static SCAN: CommandSpec = CommandSpec {
    name: "scan",
    arity: -2,
    since: "2.8.0",
    complexity: "O(1) for a call; O(N) for a whole iteration over N keys",
    summary: "Walks over the keys of the database in steps.",
    syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    changed_in: &["6.0.0"],
    handler: scan,
    ..SCAN_COMMAND
};

fn scan(context: &mut Context<'_>) -> CommandResult {
    let level = context.server.config().compatibility_level;
    let start = parse_cursor(context.argv.at(1), level)?;
    let later = level.has_later_scan_options();
    let args = ScanOptions::parse(context.argv, 2, Walk::Keys, later)?;
    let db = context.db();
    let mut found = Found { encoded: Vec::new(), shown: 0, visited: 0 };
    let mut cursor = start;
    loop {
        let shard = keyspace::scan_shard(&context.server.store, cursor);
        let count = args.count - found.visited;
        let protocol = context.reply.protocol();
        let step = in_shard(context, shard, |txn| {
            let mut list = ReplyWriter::new(&mut found.encoded, protocol);
            keyspace::scan(txn, db, cursor, count, &mut |key, kind| {
                found.visited += 1;
                if wants(&args, key, kind) {
                    list.bulk(key);
                    found.shown += 1;
                }
            })
        });
        cursor = match step {
            // Later shards can wait for the next call.
            Err(CommandError::Contended(_)) if cursor != start => break,
            step => step?,
        };
        if cursor == 0 || found.visited >= args.count {
            break;
        }
    }
    context.reply.array(2);
    context.reply.bulk(itoa::Buffer::new().format(cursor));
    context.reply.array(found.shown);
    context.reply.encoded(&found.encoded, found.shown);
    Ok(())
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&KEYS, &RANDOMKEY, &SCAN];

/// Times RANDOMKEY looks for a shard that has live keys.
const RANDOM_TRIES: usize = 100;

/// Runs `action` on one shard: within the locks of the command where they hold it, else under its own lock.
///
/// # Errors
/// [`CommandError::Contended`] if the shard is locked by another; nothing has happened then.
fn in_shard<R>(
    context: &mut Context<'_>,
    shard: usize,
    mut action: impl FnMut(&mut Txn<'_>) -> Result<R, Error>,
) -> Result<R, CommandError> {
    match action(&mut context.txn) {
        Err(Error::NotLocked) => {}
        done => return done.map_err(CommandError::Store),
    }
    let slice = context.slice.ok_or(CommandError::Store(Error::NotLocked))?;
    let mut guard = slice.try_lock(ShardSet::one(shard)).ok_or(CommandError::Contended(shard))?;
    let (clock, access) = (Clock { now_ms: context.txn.now_ms() }, context.txn.access());
    let mut txn = Txn::new(&context.server.store, &mut guard, clock, context.txn.effects(), access);
    let done = action(&mut txn).map_err(CommandError::Store);
    if context.server.attention.get() & Attention::PROPAGATES != 0 {
        crate::propagation::commit_walked(context.server, context.txn.effects());
    }
    drop(guard);
    done
}

/// What SCAN has found so far.
struct Found {
    /// The keys to be shown, as replies.
    encoded: Vec<u8>,
    shown: usize,
    visited: usize,
}

fn wants(options: &ScanOptions<'_>, key: &[u8], kind: Type) -> bool {
    options.matches(key) && options.kind.is_none_or(|name| name.eq_ignore_ascii_case(type_name(kind).as_bytes()))
}
