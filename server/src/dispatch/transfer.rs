//! The second run of a command that sends keys elsewhere.

use super::{Executed, execute};
use crate::net::{Connection, Worker};
use ochre_store::sync::{Guard, ShardSet};
use ochre_store::{Garbage, Shard};

/// How the second run ended.
pub(crate) enum Ended {
    /// The command is answered.
    Done,
    /// This is to be freed before the reply goes out.
    Free(Vec<Garbage>),
    /// Nothing was done: these shards must be locked.
    NeedMore(ShardSet),
}

/// Ends the command at `index` of the batch, whose keys were sent elsewhere: its handler finds in the session what came of
/// that. No gate is asked, for what has arrived there is to go here. `began` is the tick at which the first run began.
pub(crate) fn finish_transfer<'w>(
    connection: &mut Connection,
    worker: &'w Worker,
    index: usize,
    guard: &mut Guard<'w, Shard>,
    began: u64,
) -> Ended {
    let queued = connection.batch.get(index);
    let Some(command) = queued.command().map(|id| worker.server.commands.by_id(id)) else { return Ended::Done };
    let mut tick = began;
    match execute(connection, worker, &queued, command, guard, None, &mut tick).map(|executed| *executed) {
        Some(Executed::NeedMore(set)) => Ended::NeedMore(set),
        Some(Executed::Free(garbage)) => Ended::Free(garbage),
        _ => Ended::Done,
    }
}
