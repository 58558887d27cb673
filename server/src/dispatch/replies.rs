//! What becomes of replies.

use crate::client::{Client, ReplyMode};
use crate::command::{Command, LockClass};
use crate::net::{Connection, Output, Worker};
use crate::server::Server;
use ochre_store::sync::ShardSet;
use std::sync::atomic::Ordering::Relaxed;

/// CLIENT REPLY: drops the reply from `mark` on, where none is wanted.
pub(crate) fn apply_reply_mode(connection: &mut Connection, worker: &Worker, mark: usize) {
    apply_reply_mode_to(&mut connection.client, &worker.server, &mut connection.output, mark);
}

/// As [`apply_reply_mode`], while a connection is borrowed in parts.
pub(super) fn apply_reply_mode_to(client: &mut Client, server: &Server, output: &mut Output, mark: usize) {
    match client.reply_mode {
        ReplyMode::On => {}
        ReplyMode::Off => output.cut(mark),
        ReplyMode::SkipThis => {
            output.cut(mark);
            client.reply_mode = ReplyMode::On;
        }
        ReplyMode::Never => {
            refuse_reply(client, server, output.written_since(mark));
            output.cut(mark);
        }
        ReplyMode::SkipNext => client.reply_mode = ReplyMode::SkipThis,
    }
}

/// Notes what a client's output depends on, under the locks of its last command. `appended` is where this worker had
/// appended something last before that.
#[cold]
pub(super) fn depend(worker: &Worker, client: &mut Client, command: &Command, set: ShardSet, appended: u64) {
    let server = &*worker.server;
    let end = worker.log_end.get().appended;
    let set = if matches!(command.spec.lock, LockClass::Walk) { ShardSet::ALL } else { set };
    let change = (end != appended).then_some(end);
    client.depends = client.depends.max(server.aof.dependence(server, set, change));
}

/// Closes a replica that has called something which is answered.
#[cold]
fn refuse_reply(client: &Client, server: &Server, reply: &[u8]) {
    let handle = &client.handle;
    if reply.is_empty() || handle.is_killed() {
        return;
    }
    let called = handle.published.last_command.load(Relaxed).checked_sub(1).and_then(|id| u16::try_from(id).ok());
    let name = called.map_or("<unknown>", |id| &server.commands.by_id(id).full_name);
    if let Some(error) = reply.strip_prefix(b"-") {
        server.stats.unexpected_errors.fetch_add(1, Relaxed);
        tracing::warn!(
            "== CRITICAL == This master is sending an error to its replica: '{}' after processing the command '{name}'",
            String::from_utf8_lossy(error.trim_ascii_end())
        );
    }
    let line = crate::commands::client::describe(server, handle, crate::clock::unix_ms());
    let line = String::from_utf8_lossy(&line);
    tracing::warn!("Replica generated a reply to command '{name}', disconnecting it: {}", line.trim_end());
    handle.kill();
}
