//! Commands whose reply is brought by a thread of its own.

use super::{Executed, apply_reply_mode_to};
use crate::args::Argv;
use crate::client::{Client, ReplyMode};
use crate::command::Command;
use crate::errand::Errand;
use crate::net::{Output, Worker};
use crate::server::Attention;
use std::sync::atomic::Ordering::Relaxed;

/// Accounts for the command, whose errand is about to begin.
#[cold]
pub(super) fn begin(
    worker: &Worker,
    (client, output, mark): (&mut Client, &mut Output, usize),
    command: &Command,
    argv: Argv<'_>,
    (errand, nanos): (Errand, u64),
) -> Box<Executed> {
    worker.account_call(&worker.stats.by_command[usize::from(command.id)], nanos);
    client.handle.published.last_command.store(u32::from(command.id) + 1, Relaxed);
    if worker.server.attention.get() & Attention::MONITORS != 0 {
        worker.server.monitors.feed(&client.handle, client.db, argv, &[]);
    }
    let is_answered = client.reply_mode == ReplyMode::On;
    if !is_answered {
        apply_reply_mode_to(client, &worker.server, output, mark);
    }
    Box::new(Executed::Errand(errand, is_answered))
}
