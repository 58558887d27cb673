//! Who has to wait for a transfer.

use crate::args::Argv;
use crate::client::Client;
use crate::command::{Command, Flags, LockClass, command_keys};
use crate::commands::transaction::is_exec;
use crate::net::Worker;
use ochre_store::sync::{Guard, ShardSet};
use ochre_store::{Access, Effects, Shard, Txn, keyspace};

/// What becomes of a command while keys are on their way elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stance {
    /// It has to wait: it may change one of them.
    Waits,
    /// It reads, and removes nothing that has expired.
    Reads,
    /// It has nothing to do with them.
    Free,
}

/// What becomes of a command that is about to run under the locks of `guard`.
#[cold]
pub(crate) fn stance(
    worker: &Worker,
    guard: &mut Guard<'_, Shard>,
    command: &Command,
    argv: Argv<'_>,
    client: &Client,
) -> Stance {
    // It ends a transfer itself.
    if client.migrated.is_some() {
        return Stance::Free;
    }
    let has_all = guard.set() == ShardSet::ALL;
    let mut effects = Effects::default();
    let mut txn = Txn::new(&worker.server.store, guard, worker.clock(), &mut effects, Access::default());
    let waits = match client.transaction.as_deref() {
        Some(transaction) if is_exec(command) => {
            if !transaction.flags().has(Flags::WRITE) && !transaction.has_script() {
                return Stance::Reads;
            }
            let mut commands = transaction.iter(&worker.server);
            // Where all is locked it is not known what it writes to. What it reads may not expire meanwhile either.
            if has_all {
                any_pinned(worker, &mut txn)
            } else {
                commands.any(|(command, argv, _)| names_pinned(&mut txn, command, argv))
            }
        }
        _ if matches!(command.spec.lock, LockClass::Script) => {
            let only_reads = crate::scripting::effective_flags(worker, command, argv).has(Flags::READONLY);
            if only_reads {
                return Stance::Reads;
            }
            // It may write to whatever it has locked; for anything else it comes back with all locks.
            any_pinned(worker, &mut txn)
        }
        _ if !command.has(Flags::WRITE) => return Stance::Reads,
        _ if has_all => any_pinned(worker, &mut txn),
        _ => names_pinned(&mut txn, command, argv),
    };
    if waits { Stance::Waits } else { Stance::Free }
}

/// In any database, since some commands write to another one than their client's.
fn names_pinned(txn: &mut Txn<'_>, command: &Command, argv: Argv<'_>) -> bool {
    let mut found = false;
    command_keys(command.spec, argv, |position| {
        let key = txn.store().key(argv.at(position.index));
        found |= keyspace::is_pinned(txn, key).unwrap_or_default();
    });
    found
}

/// Whether the shards that are locked have any.
fn any_pinned(worker: &Worker, txn: &mut Txn<'_>) -> bool {
    (0..worker.server.store.shards()).any(|shard| keyspace::has_pins(txn, shard).unwrap_or_default())
}
