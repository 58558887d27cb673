//! The thread that writes.

use super::state::Sync;
use crate::server::Server;
use std::sync::Weak;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

/// How long the thread sleeps when nobody wakes it: within that time what was written is synced.
const IDLE: Duration = Duration::from_millis(100);
/// Under load it lets commands gather for so long, where nobody waits for them.
const GATHER: Duration = Duration::from_millis(1);

/// Starts the thread, once.
pub(super) fn start(server: &Server, weak: Weak<Server>) -> std::io::Result<()> {
    let mut thread = server.aof.thread.lock();
    if thread.is_none() {
        let spawned = std::thread::Builder::new().name("aof".into()).spawn(move || run(&weak))?;
        *thread = Some(spawned.thread().clone());
    }
    Ok(())
}

fn run(server: &Weak<Server>) {
    crate::process::crash::prepare_thread();
    // It frees what workers have allocated.
    let Some(member) = server.upgrade().map(|server| server.store.register()) else { return };
    let mut last = Instant::now();
    while let Some(server) = server.upgrade() {
        let aof = &server.aof;
        let before = aof.synced();
        let was_written = aof.flush(&server, &mut aof.open.lock(), Sync::ByPolicy);
        if aof.synced() != before {
            tell(&server);
        }
        member.publish_memory();
        let gathers = last.elapsed() < GATHER * 2 && !aof.gates(&server);
        last = Instant::now();
        if gathers {
            std::thread::sleep(GATHER);
        }
        aof.is_asleep.store(true, SeqCst);
        if !was_written || !server.log.has_appended() {
            drop(server);
            std::thread::park_timeout(IDLE);
        }
    }
}

/// More has reached the disk than before: tells those who wait for that, here and at the primary.
pub(super) fn tell(server: &Server) {
    crate::commands::wait::durable(server);
    server.upstream.is_durable(server);
}
