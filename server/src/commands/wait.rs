//! WAIT, WAITAOF: how far replicas and disks have come with what a connection has written.

use crate::args::parse_int;
use crate::blocking::{Block, Outcome, Timeout, WaitKind};
use crate::command::{AclCategories, CommandSpec, Flags, Group};
use crate::context::Context;
use crate::error::{self, CommandResult};
use crate::propagation::End;
use crate::server::Server;
use ochre_resp::reply::ReplyWriter;

/// WAIT
pub static WAIT: CommandSpec = CommandSpec {
    name: "wait",
    arity: 3,
    flags: Flags::BLOCKING,
    acl: AclCategories::CONNECTION,
    since: "3.0.0",
    group: Group::Generic,
    summary: "Waits until so many replicas have applied what the connection has written.",
    syntax: "numreplicas timeout",
    tips: &["request_policy:all_shards", "response_policy:agg_min"],
    handler: wait,
    ..CommandSpec::BASE
};

fn wait(context: &mut Context<'_>) -> CommandResult {
    if context.server.follows() {
        return Err(error::replicas::WAIT_ON_REPLICA);
    }
    let wanted = parse_int(context.argv.at(1)).ok_or(error::NOT_INTEGER)?;
    let timeout = Timeout::millis(context.argv.at(2), context.now_ms())?;
    let (server, offset) = (context.server, context.client.written.offset);
    let acknowledged = server.log.acknowledged(offset) as i64;
    if acknowledged >= wanted || context.denies_blocking() {
        context.reply.int(acknowledged);
        return Ok(());
    }
    server.log.ask_for_acknowledgements(server);
    context.block(Block::without_keys(WaitKind::Replication, timeout, move |server, reply| {
        reply.int(server.log.acknowledged(offset) as i64);
    }))
}

/// WAITAOF
pub static WAITAOF: CommandSpec = CommandSpec {
    name: "waitaof",
    arity: 4,
    since: "7.2.0",
    summary: "Waits until so many append-only files, here and of replicas, hold on their disks what the connection has written.",
    syntax: "numlocal numreplicas timeout",
    handler: waitaof,
    ..WAIT
};

fn waitaof(context: &mut Context<'_>) -> CommandResult {
    let (server, argv) = (context.server, context.argv);
    let local = match parse_int(argv.at(1)).ok_or(error::NOT_INTEGER)? {
        local @ 0..=1 => local,
        _ => return Err(error::out_of_range(0, 1)),
    };
    let replicas = parse_int(argv.at(2)).filter(|wanted| *wanted >= 0).ok_or(error::NOT_POSITIVE)?;
    let timeout = Timeout::millis(argv.at(3), context.now_ms())?;
    if server.follows() {
        return Err(error::replicas::WAITAOF_ON_REPLICA);
    }
    if local > 0 && !server.aof.is_enabled() {
        return Err(error::replicas::WAITAOF_WITHOUT_FILE);
    }
    let written = context.client.written;
    let reached = Durable::of(server, written);
    if reached.suffices(local, replicas) || context.denies_blocking() {
        reached.write(&mut context.reply);
        return Ok(());
    }
    server.aof.wake();
    server.log.ask_for_acknowledgements(server);
    context.block(Block::without_keys(WaitKind::Durability, timeout, move |server, reply| {
        Durable::of(server, written).write(reply);
    }))
}

/// On how many disks something is.
#[derive(Clone, Copy)]
struct Durable {
    local: i64,
    replicas: i64,
}

impl Durable {
    fn of(server: &Server, written: End) -> Durable {
        Durable { local: server.aof.is_durable(written).into(), replicas: server.log.durable(written.offset) as i64 }
    }
    fn suffices(self, local: i64, replicas: i64) -> bool {
        self.local >= local && self.replicas >= replicas
    }
    fn write(self, reply: &mut ReplyWriter<'_>) {
        reply.array(2);
        reply.int(self.local);
        reply.int(self.replicas);
    }
}

/// A replica has said how far it has come: answers those who have waited for that, and tells who waits with the end.
pub(crate) fn acknowledged(server: &Server) {
    server.blocked.each_keyless(WaitKind::Replication, |waiter| {
        let acknowledged = server.log.acknowledged(waiter.written().offset);
        if parse_int(waiter.argv().at(1)).is_none_or(|wanted| acknowledged as i64 >= wanted) {
            waiter.answer(server, |reply| reply.int(acknowledged as i64));
        }
    });
    durable(server);
    server.shutdown.replica_moved();
}

/// More has reached a disk, or the append-only file was switched off: answers those who have waited for that.
pub(crate) fn durable(server: &Server) {
    server.blocked.each_keyless(WaitKind::Durability, |waiter| {
        let wanted = |index| parse_int(waiter.argv().at(index)).unwrap_or_default();
        let (local, replicas) = (wanted(1), wanted(2));
        if local > 0 && !server.aof.is_enabled() {
            server.blocked.end(waiter, Outcome::Failed(error::replicas::WAITAOF_WITHOUT_FILE, false));
            return;
        }
        let reached = Durable::of(server, waiter.written());
        if reached.suffices(local, replicas) {
            waiter.answer(server, |reply| reached.write(reply));
        }
    });
}

/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[&WAIT, &WAITAOF];
