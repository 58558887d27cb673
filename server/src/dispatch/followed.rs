//! What is different for commands of the primary that this process follows.

use super::Gate;
use crate::args::Argv;
use crate::client::Client;
use crate::command::{Command, Flags};
use crate::commands::transaction::{is_exec, is_never_queued};
use crate::config::PropagationError;
use crate::error::{self, CommandError};
use crate::net::{Batch, Connection, Queued, Worker};
use crate::pause::PauseKind;
use crate::server::{Attention, Server};
use std::sync::atomic::Ordering::Relaxed;

/// As [`attended_gates`](super::attended_gates), for what the primary sends: it was let in there.
#[cold]
pub(super) fn primary_gates<'w>(
    connection: &Connection,
    worker: &'w Worker,
    command: &'w Command,
    attention: u32,
    is_short: bool,
) -> Gate<'w> {
    let server = &*worker.server;
    let transaction = connection.client.transaction.as_deref();
    let queues = transaction.is_some() && !is_never_queued(command);
    let flags = match transaction {
        Some(transaction) if is_exec(command) => command.spec.flags | transaction.flags(),
        _ => command.spec.flags,
    };
    let out_of_memory = is_short && !crate::memory::make_room(worker);
    worker.set_out_of_memory(out_of_memory);
    if out_of_memory && (queues || flags.has(Flags::DENYOOM)) {
        return Gate::Reject(error::OOM);
    }
    if attention & (Attention::DISK_ERROR | Attention::AOF_ERROR) != 0
        && flags.has(Flags::WRITE)
        && !worker.config().replica_ignore_disk_write_errors
    {
        tracing::error!("Replica was unable to write command to disk. Exiting...");
        std::process::exit(1);
    }
    if attention & Attention::PAUSED != 0
        && let Some((kind, until_ms)) = server.pause.in_force(worker.now_ms())
        && (kind == PauseKind::All || flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE))
    {
        return Gate::Pause(until_ms);
    }
    if queues { Gate::Queue(command) } else { Gate::Pass(command) }
}

/// What the primary has sent is executed up to the end of a command, whose locks are held if it needs any.
#[cold]
pub(super) fn hand_on(client: &mut Client, server: &Server, batch: &Batch, queued: &Queued, query: &[u8]) {
    let Client { link, transaction, db, .. } = client;
    if let Some(link) = link {
        link.hand_on(server, query, batch.end_of(queued), transaction.is_some(), *db);
    }
}

/// What the primary could do, this process cannot.
#[cold]
pub(super) fn report_failure(server: &Server, argv: Argv<'_>, error: &CommandError) {
    let name = String::from_utf8_lossy(argv.at(0)).into_owned();
    tracing::warn!(
        "== CRITICAL == This replica is sending an error to its master: '{}' after processing the command '{name}'",
        error.text()
    );
    let config = server.config();
    server.stats.unexpected_errors.fetch_add(1, Relaxed);
    // Where clients write, too, it is no wonder.
    if config.propagation_error_behavior != PropagationError::Ignore && config.replica_read_only {
        tracing::error!(
            "This replica panicked sending an error to its master after processing a command from its replication stream"
        );
        std::process::exit(1);
    }
}
