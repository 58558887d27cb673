//! Waiters that write to another key when they are served (BLMOVE): the unit that makes their key ready must hold the locks
//! of that other key too.

use super::table::WaitTable;
use crate::args::Argv;
use crate::command::{Command, KeyFlags, command_keys};
use crate::server::Server;
use ochre_store::Shard;
use ochre_store::sync::{Guard, ShardSet};
use std::collections::HashSet;

/// The shards that a command needs beside those that `guard` holds, so that all whom it may make ready can be served.
///
/// Looks at the destinations of those who wait for the command's keys, of those who wait for these destinations, and so on,
/// as far as the locks reach: what lies in a shard that is still missing is seen once that is locked too.
#[cold]
pub(crate) fn missing_shards(
    server: &Server,
    guard: &mut Guard<'_, Shard>,
    command: &Command,
    argv: Argv<'_>,
) -> ShardSet {
    let (mut missing, mut seen) = (ShardSet::EMPTY, HashSet::new());
    if guard.set() == ShardSet::ALL {
        return missing;
    }
    let mut wanted: Vec<(Vec<u8>, usize)> = Vec::new();
    command_keys(command.spec, argv, |position| {
        // What only adds its arguments to a key serves no more clients than it has arguments.
        let adds = position.flags.has(KeyFlags::RW.with(KeyFlags::INSERT));
        wanted.push((argv.at(position.index).to_vec(), if adds { argv.len() } else { usize::MAX }));
    });
    while let Some((key, served_max)) = wanted.pop() {
        let number = server.store.key(&key).shard();
        let Some(shard) = guard.shard(number) else {
            missing.insert(number);
            continue;
        };
        // In any database: a command such as COPY may write to another than its client's.
        for queue in shard.attached::<WaitTable>().in_any_database(&key).filter(|queue| queue.has_destinations()) {
            for waiter in queue.in_order().take(served_max) {
                let Some(destination) = waiter.destination else { continue };
                let destination = waiter.argv().at(destination.argument);
                if seen.insert(destination.to_vec()) {
                    wanted.push((destination.to_vec(), served_max));
                }
            }
        }
    }
    missing
}
