//! MONITOR: showing every command to those who watch.

use crate::args::Argv;
use crate::client::{ClientHandle, Push};
use crate::server::Attention;
use ochre_resp::split::quote;
use parking_lot::Mutex;
use std::sync::Arc;

/// The clients that watch.
#[derive(Default)]
pub struct Monitors {
    watchers: Mutex<Vec<Arc<ClientHandle>>>,
}

impl Monitors {
    /// Adds a watcher; from now on the dispatcher attends to it.
    pub fn add(&self, handle: Arc<ClientHandle>, attention: &Attention) {
        let mut watchers = self.watchers.lock();
        watchers.push(handle);
        attention.set(Attention::MONITORS, true);
    }
    /// Removes a watcher.
    pub fn remove(&self, id: u64, attention: &Attention) {
        let mut watchers = self.watchers.lock();
        watchers.retain(|watcher| watcher.id != id);
        attention.set(Attention::MONITORS, !watchers.is_empty());
    }
    /// Shows a command of `client`, executed on `db` just now, to all watchers; of `redacted` arguments only that they were
    /// there.
    pub fn feed(&self, client: &ClientHandle, db: usize, argv: Argv<'_>, redacted: &[usize]) {
        let addr =
            if client.is_unix { format!("unix:{}", client.addr.trim_end_matches(":0")) } else { client.addr.clone() };
        self.show(&addr, db, argv, redacted);
    }
    /// As [`feed`](Monitors::feed), for a command that a script has called.
    pub fn feed_script(&self, db: usize, argv: Argv<'_>, redacted: &[usize]) {
        self.show("lua", db, argv, redacted);
    }
    fn show(&self, addr: &str, db: usize, argv: Argv<'_>, redacted: &[usize]) {
        let mut rest = format!(" [{db} {addr}]").into_bytes();
        for (index, argument) in argv.iter().enumerate() {
            rest.push(b' ');
            quote(&mut rest, if redacted.contains(&index) { b"(redacted)" } else { argument });
        }
        rest.extend_from_slice(b"\r\n");
        // Under the lock, so that the times are in the order of the lines, whichever worker has executed the commands.
        let watchers = self.watchers.lock();
        let now_us = crate::clock::unix_us();
        let mut line = format!("+{}.{:06}", now_us / 1_000_000, now_us % 1_000_000).into_bytes();
        line.append(&mut rest);
        let line = Push::Line(line.into());
        watchers.iter().for_each(|watcher| watcher.push(line.clone()));
    }
}
