//! What is to be known before a command looks at keys.

use super::Executed;
use crate::args::Argv;
use crate::client::Client;
use crate::command::{Command, Flags, LockClass};
use crate::commands::transaction::is_exec;
use crate::migration::{self, Stance};
use crate::net::Worker;
use crate::server::Attention;
use ochre_store::sync::{Guard, ShardSet};
use ochre_store::{Access, Effects, Expired, Shard};

/// While clients wait or are paused: how the command looks at keys and what is recorded of it. Returns what has to be done
/// before it can run.
#[cold]
pub(super) fn prepare(
    worker: &Worker,
    guard: &mut Guard<'_, Shard>,
    command: &Command,
    argv: Argv<'_>,
    client: &Client,
    effects: &mut Effects,
    access: &mut Access,
) -> Option<Box<Executed>> {
    let server = &*worker.server;
    let (blocked, watched) = (&server.blocked, &server.watched);
    effects.record_events = crate::memory::publishes_events(worker);
    let tracks = server.attention.get() & Attention::TRACKING != 0;
    // While clients are paused nothing may change that would have to be replicated. And a key that expired is not removed
    // where nobody could tell those who wait for its end, watch or track it, or listen to events.
    if server.pause.in_force(worker.now_ms()).is_some()
        || matches!(command.spec.lock, LockClass::Walk)
            && (effects.record_events
                || tracks
                || blocked.keys_minding_absence() > 0
                || !watched.shards_among(ShardSet::ALL).is_empty())
    {
        access.expired = Expired::Hide;
    }
    if server.attention.get() & Attention::MIGRATES != 0 {
        match migration::stance(worker, guard, command, argv, client) {
            Stance::Waits => return Some(Box::new(Executed::Held(server.migrations.holds.seen()))),
            Stance::Reads => access.expired = Expired::Hide,
            Stance::Free => {}
        }
    }
    // What has expired in a replica is there for its primary, and for nobody else.
    if server.follows() {
        access.expired = if client.link.is_some() { Expired::Show } else { Expired::Hide };
    }
    if server.attention.get() & Attention::IMPORTS != 0 {
        // The source of the data says when keys are to go.
        access.expired = if client.import_source { Expired::Show } else { Expired::Hide };
    }
    let waiting = blocked.shards_among(guard.set());
    let is_tracked = tracks && (client.tracks.is_some() || server.tracking.wants(guard.set()));
    let makes_own = server.follows() && client.link.is_none() && !worker.config().replica_read_only;
    effects.record_touched = makes_own && command.has(Flags::WRITE)
        || is_tracked
        || !waiting.is_empty()
        || !watched.shards_among(guard.set()).is_empty();
    if waiting.is_empty() || !blocked.has_destinations() {
        return None;
    }
    let mut missing = ShardSet::EMPTY;
    let mut look_at = |command: &Command, argv: Argv<'_>| {
        if command.has(Flags::WRITE) {
            missing = missing.union(crate::blocking::missing_shards(server, guard, command, argv));
        }
    };
    match client.transaction.as_deref() {
        Some(transaction) if is_exec(command) => {
            transaction.iter(server).for_each(|(command, argv, _)| look_at(command, argv));
        }
        _ => look_at(command, argv),
    }
    (!missing.is_empty()).then(|| Box::new(Executed::NeedMore(guard.set().union(missing))))
}
