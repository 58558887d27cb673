//! From the effects of a unit to what is propagated of it.

use super::{Reach, Unit, Wrap};
use crate::args::Argv;
use crate::client::Client;
use crate::net::Worker;
use crate::server::Server;
use ochre_resp::{encode_arguments, encode_command};
use ochre_store::{Effects, Reason};

/// Records a command that a client has run, after what has vanished on its way. `dirty` is what was counted before it.
/// To be called after each handler while somebody reads the log.
pub(crate) fn record_call(worker: &Worker, client: &mut Client, argv: Argv<'_>, effects: &mut Effects, dirty: u64) {
    record_call_to(worker, client, argv, effects, dirty, Some(Reach::All));
}

/// As [`record_call`], for a script that tells who is to hear of what it changes; none: nobody.
#[cold]
pub(crate) fn record_call_to(
    worker: &Worker,
    client: &mut Client,
    argv: Argv<'_>,
    effects: &mut Effects,
    dirty: u64,
    told: Option<Reach>,
) {
    let mut unit = worker.unit.borrow_mut();
    take_removals(&worker.server, effects, &mut unit);
    let changed = effects.dirty > dirty;
    let db = client.db;
    let Some(rewrite) = &mut client.rewrite else {
        if let Some(reach) = told.filter(|_| changed) {
            unit.push(db, reach, |out| encode_arguments(out, argv.iter()));
        }
        return;
    };
    let reach = if changed { told } else { rewrite.forced().filter(|_| told.is_some()) };
    if let Some(reach) = reach {
        rewrite.commands().for_each(|command| unit.push(db, reach, |out| out.extend_from_slice(command)));
        if !rewrite.replaces() {
            unit.push(db, reach, |out| encode_arguments(out, argv.iter()));
        }
    }
    rewrite.clear();
}

/// Appends a unit to the log, the locks of whose keys are held.
#[cold]
pub(crate) fn commit(worker: &Worker, effects: &mut Effects, wrap: Wrap) {
    let mut unit = worker.unit.borrow_mut();
    take_removals(&worker.server, effects, &mut unit);
    if !unit.is_empty() {
        worker.log_end.set(worker.server.log.append(&worker.server, &unit, wrap));
        unit.clear();
    }
}

/// Appends what has vanished while a command walked over a shard, whose lock is held.
#[cold]
pub(crate) fn commit_walked(server: &Server, effects: &mut Effects) {
    let mut unit = Unit::default();
    take_removals(server, effects, &mut unit);
    if !unit.is_empty() {
        server.log.append(server, &unit, Wrap::Never);
    }
}

/// Moves on to the unit what has vanished and was not recorded yet.
fn take_removals(server: &Server, effects: &mut Effects, unit: &mut Unit) {
    for removal in effects.unrecorded_removals() {
        let config = server.config();
        let lazily = match removal.reason {
            Reason::Expired => config.lazyfree_lazy_expire,
            Reason::Evicted => config.lazyfree_lazy_eviction,
        };
        let name: &[u8] = if lazily { b"UNLINK" } else { b"DEL" };
        unit.push(removal.db, Reach::All, |out| encode_command(out, &[name, &removal.key]));
    }
    for expired in effects.unrecorded_fields() {
        let fields = expired.fields.iter().map(|field| &**field);
        let words: Vec<&[u8]> = [b"HDEL".as_slice(), &expired.key].into_iter().chain(fields).collect();
        unit.push(expired.db, Reach::All, |out| encode_command(out, &words));
    }
    effects.removals_are_recorded();
}
