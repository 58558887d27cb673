//! Commands whose reply takes a walk over all keys.

use super::{Executed, apply_reply_mode_to};
use crate::args::Argv;
use crate::client::{Client, ReplyMode};
use crate::command::Command;
use crate::net::{Output, Worker};
use crate::server::Attention;
use std::sync::atomic::Ordering::Relaxed;

/// Accounts for the command, whose reply is to be `text` with what the walk finds.
#[cold]
pub(super) fn begin(
    worker: &Worker,
    (client, output, mark): (&mut Client, &mut Output, usize),
    command: &Command,
    argv: Argv<'_>,
    (text, nanos): (Box<str>, u64),
) -> Option<Box<Executed>> {
    worker.account_call(&worker.stats.by_command[usize::from(command.id)], nanos);
    client.handle.published.last_command.store(u32::from(command.id) + 1, Relaxed);
    if worker.server.attention.get() & Attention::MONITORS != 0 {
        worker.server.monitors.feed(&client.handle, client.db, argv, &[]);
    }
    if client.reply_mode != ReplyMode::On {
        apply_reply_mode_to(client, &worker.server, output, mark);
        return None;
    }
    Some(Box::new(Executed::Survey(text)))
}
