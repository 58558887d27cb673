//! The primary's side of replication: SYNC, PSYNC, REPLCONF, ROLE, REPLICAOF.

use crate::args::{Argv, parse_int};
use crate::client::ReplicaSide;
use crate::command::{AclCategories, CommandSpec, Flags, Group, LockClass};
use crate::config::Upstream;
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::propagation::{ReplicaInfo, Wants, full_sync};
use crate::upstream::Stage;
use ochre_replication::{Progress, Replica, ReplicaState, SyncAnswer};
use ochre_resp::split::split_args;
use std::sync::atomic::Ordering::Relaxed;

const SYNC_COMMAND: CommandSpec = CommandSpec {
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::NO_ASYNC_LOADING).with(Flags::NO_MULTI),
    lock: LockClass::All,
    group: Group::Server,
    complexity: "",
    ..CommandSpec::BASE
};

/// SYNC
pub static SYNC: CommandSpec = CommandSpec {
    name: "sync",
    summary: "Makes the client a replica: it is sent a snapshot, and then all changes.",
    handler: sync,
    ..SYNC_COMMAND
};

fn sync(context: &mut Context<'_>) -> CommandResult {
    synchronise(context, None)
}

/// PSYNC
pub static PSYNC: CommandSpec = CommandSpec {
    name: "psync",
    arity: -3,
    since: "2.8.0",
    summary: "Makes the client a replica: it is sent what it misses of the changes, or a snapshot first.",
    syntax: "replicationid offset",
    handler: psync,
    ..SYNC_COMMAND
};

fn psync(context: &mut Context<'_>) -> CommandResult {
    let argv = context.argv;
    if argv.get(3).is_some_and(|word| word.eq_ignore_ascii_case(b"failover")) {
        return Err(error::PSYNC_FAILOVER);
    }
    let Some(offset) = parse_int(argv.at(2)) else {
        let (handle, side) = (&context.client.handle, context.client.replica.as_deref());
        let address = side.and_then(|side| side.ip.as_deref()).unwrap_or_else(|| host(&handle.addr));
        let port = side.map_or(0, |side| side.port);
        tracing::warn!("Replica {address}:{port} asks for synchronization but with a wrong offset");
        return Err(error::NOT_INTEGER);
    };
    // It names the first byte that it does not have, counted from one.
    let has = offset.checked_sub(1).and_then(|offset| u64::try_from(offset).ok());
    synchronise(context, Some((argv.at(1), has)))
}

/// Attaches the client as a replica. `wants` is the history it knows and how much it has of it; `None`: SYNC.
fn synchronise(context: &mut Context<'_>, wants: Option<(&[u8], Option<u64>)>) -> CommandResult {
    let (server, now_ms) = (context.server, context.now_ms());
    if server.upstream.stage().is_some_and(|stage| stage != Stage::Connected) {
        return Err(error::replicas::NO_PRIMARY_LINK);
    }
    let handle = context.client.handle.clone();
    let side = context.client.replica.get_or_insert_default();
    if side.is_attached() || context.client.monitor {
        return Ok(());
    }
    if context.reply.position() > 0 || handle.published.output_len.load(Relaxed) > 0 {
        return Err(error::SYNC_WITH_OUTPUT);
    }
    if side.without_data && !side.finds_end {
        return Err(error::FILTER_WITHOUT_EOF);
    }
    let address = side.ip.clone().unwrap_or_else(|| host(&handle.addr).to_owned());
    tracing::info!("Replica {address}:{} asks for synchronization", side.port);
    let has = wants.and_then(|(id, offset)| Some((std::str::from_utf8(id).ok()?, offset?)));
    let mut replica = Replica::new(address, side.port, now_ms);
    replica.is_silent = wants.is_none();
    let (follows_renaming, wanted) = (side.follows_renaming, Wants::of(side));
    let syncs = &server.stats.synchronisations;
    let snapshot = match server.log.attach(server, &handle, has, replica) {
        SyncAnswer::Continue(_) => {
            syncs.partial.fetch_add(1, Relaxed);
            let id = server.log.summary().id;
            context.reply.simple(if follows_renaming { format!("CONTINUE {id}") } else { "CONTINUE".to_owned() });
            None
        }
        SyncAnswer::Full => {
            syncs.full.fetch_add(1, Relaxed);
            // A question mark asks for the whole.
            let is_refused = wants.is_some_and(|(id, _)| id.first() != Some(&b'?'));
            syncs.refused.fetch_add(u64::from(is_refused), Relaxed);
            Some(server.full_sync.wait(&handle, wanted, wants.is_some(), now_ms))
        }
    };
    context.client.replica.get_or_insert_default().attach(snapshot);
    // Nothing but this is answered.
    context.client.be_fed();
    context.after.confirms = true;
    context.client.publish_flags();
    full_sync::begin_if_due(server, &mut context.txn);
    Ok(())
}

/// REPLCONF
pub static REPLCONF: CommandSpec = CommandSpec {
    name: "replconf",
    arity: -1,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE).with(Flags::ALLOW_BUSY),
    since: "3.0.0",
    group: Group::Server,
    summary: "Tells a primary about its replica, and how far that has come.",
    handler: replconf,
    ..CommandSpec::BASE
};

fn replconf(context: &mut Context<'_>) -> CommandResult {
    let argv = context.argv;
    if argv.len().is_multiple_of(2) {
        return Err(error::SYNTAX);
    }
    let mut cursor = argv.cursor(1);
    while !cursor.is_done() {
        let (option, value) = (cursor.bytes()?, cursor.bytes()?);
        if option.eq_ignore_ascii_case(b"ack") {
            acknowledge(context, value);
            return Ok(());
        }
        // Only a replica has anything to say to that, and to its primary alone.
        if option.eq_ignore_ascii_case(b"getack") {
            if context.client.link.is_some() {
                context.server.upstream.asked(context.server);
            }
            return Ok(());
        }
        describe(context.client.replica.get_or_insert_default(), option, value)?;
    }
    context.reply.ok();
    Ok(())
}

/// Takes note of what a replica says of itself.
fn describe(side: &mut ReplicaSide, option: &[u8], value: &[u8]) -> CommandResult {
    match option.to_ascii_lowercase().as_slice() {
        b"listening-port" => side.port = parse_int(value).ok_or(error::NOT_INTEGER)? as u16,
        b"ip-address" => {
            const LEN_MAX: usize = 255;
            if value.len() > LEN_MAX {
                return Err(error::replica_address_too_long(value.len()));
            }
            side.ip = Some(String::from_utf8_lossy(value).into_owned());
        }
        b"capa" => {
            side.finds_end |= value.eq_ignore_ascii_case(b"eof");
            side.follows_renaming |= value.eq_ignore_ascii_case(b"psync2");
        }
        b"rdb-only" => match parse_int(value).ok_or(error::NOT_INTEGER)? {
            wanted @ 0..=1 => side.snapshot_only = wanted == 1,
            _ => return Err(error::out_of_range(0, 1)),
        },
        b"rdb-filter-only" => {
            (side.without_data, side.without_functions) = (true, true);
            let (mut bytes, mut words) = (Vec::new(), Vec::new());
            split_args(value, &mut bytes, &mut words).map_err(|_| error::FILTER_MISSING)?;
            for word in Argv::new(&bytes, &words).iter() {
                if !word.eq_ignore_ascii_case(b"functions") {
                    return Err(error::unsupported_filter(word));
                }
                side.without_functions = false;
            }
        }
        // Later versions say theirs, which changes nothing.
        b"version" => {}
        _ => return Err(error::unknown_replconf(option)),
    }
    Ok(())
}

fn acknowledge(context: &mut Context<'_>, offset: &[u8]) {
    let server = context.server;
    let durable = match context.argv.get(3) {
        Some(word) if word.eq_ignore_ascii_case(b"fack") => context.argv.get(4).and_then(parse_offset),
        _ => None,
    };
    let Some(offset) = parse_offset(offset) else { return };
    if server.log.acknowledge(context.client.id(), Progress { offset, durable }, context.now_ms()) {
        server.log.judge(server, context.now_ms());
        super::wait::acknowledged(server);
    }
}

fn parse_offset(text: &[u8]) -> Option<u64> {
    parse_int(text).and_then(|offset| u64::try_from(offset).ok())
}

/// ROLE
pub static ROLE: CommandSpec = CommandSpec {
    name: "role",
    flags: Flags::NOSCRIPT.with(Flags::LOADING).with(Flags::STALE).with(Flags::FAST).with(Flags::SENTINEL),
    acl: AclCategories::ADMIN.with(AclCategories::DANGEROUS),
    since: "2.8.12",
    group: Group::Server,
    summary: "Tells whether the server is a primary or a replica, and whose.",
    handler: role,
    ..CommandSpec::BASE
};

fn role(context: &mut Context<'_>) -> CommandResult {
    let log = context.server.log.summary();
    let reply = &mut context.reply;
    if let Some(upstream) = context.server.upstream.summary() {
        reply.array(5);
        reply.bulk("slave");
        reply.bulk(&upstream.host);
        reply.int(i64::from(upstream.port));
        reply.bulk(upstream.stage.name());
        reply.int(if upstream.stage == Stage::Connected { log.offset as i64 } else { -1 });
        return Ok(());
    }
    reply.array(3);
    reply.bulk("master");
    reply.int(log.offset as i64);
    let online = |info: &&ReplicaInfo| info.replica.state == ReplicaState::Online;
    reply.array(log.replicas.iter().filter(online).count());
    for ReplicaInfo { replica, .. } in log.replicas.iter().filter(online) {
        reply.array(3);
        reply.bulk(&replica.ip);
        reply.bulk_int(i64::from(replica.port));
        reply.bulk_int(replica.acked as i64);
    }
    Ok(())
}

/// REPLICAOF
pub static REPLICAOF: CommandSpec = CommandSpec {
    name: "replicaof",
    arity: 3,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::STALE).with(Flags::NO_ASYNC_LOADING),
    since: "5.0.0",
    lock: LockClass::All,
    group: Group::Server,
    summary: "Makes the server a replica of another, or a primary.",
    syntax: "<host port|NO ONE>",
    handler: replicaof,
    ..CommandSpec::BASE
};

fn replicaof(context: &mut Context<'_>) -> CommandResult {
    let (server, argv) = (context.server, context.argv);
    let client = |context: &Context<'_>| {
        let line = crate::commands::client::describe(server, &context.client.handle, context.now_ms());
        String::from_utf8_lossy(&line).trim_end().to_owned()
    };
    if argv.at(1).eq_ignore_ascii_case(b"no") && argv.at(2).eq_ignore_ascii_case(b"one") {
        if server.upstream.is_set() {
            crate::upstream::lead(server, &mut context.txn);
            tracing::info!("MASTER MODE enabled (user request from '{}')", client(context));
        }
        context.reply.ok();
        return Ok(());
    }
    if context.client.replica.as_ref().is_some_and(|side| side.is_attached()) {
        return Err(error::REPLICAOF_BY_REPLICA);
    }
    let port = parse_int(argv.at(2)).and_then(|port| u16::try_from(port).ok()).ok_or(error::INVALID_PRIMARY_PORT)?;
    let host = String::from_utf8_lossy(argv.at(1)).into_owned();
    let current = server.upstream.summary();
    if current.is_some_and(|current| current.host.eq_ignore_ascii_case(&host) && current.port == port) {
        tracing::info!(
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation \
             performed."
        );
        context.reply.simple("OK Already connected to specified master");
        return Ok(());
    }
    crate::upstream::set(server, &Upstream { host: host.clone(), port });
    tracing::info!("REPLICAOF {host}:{port} enabled (user request from '{}')", client(context));
    context.reply.ok();
    Ok(())
}

/// SLAVEOF
pub static SLAVEOF: CommandSpec = CommandSpec { name: "slaveof", since: "1.0.0", ..REPLICAOF };

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&SYNC, &PSYNC, &REPLCONF, &ROLE, &REPLICAOF, &SLAVEOF];

/// The host of an `ip:port`.
fn host(addr: &str) -> &str {
    addr.rsplit_once(':').map_or(addr, |(host, _)| host).trim_matches(['[', ']'])
}
