//! Logs of commands that were slow, or whose request or reply was large.

use crate::args::Argv;
use crate::client::ClientHandle;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// A command that was slow or large.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    /// Counts up, never reset.
    pub id: u64,
    /// Unix seconds at which it ended.
    pub time: i64,
    /// How long it took in microseconds, or the length of its request or reply in bytes.
    pub measure: u64,
    /// Its arguments, shortened.
    pub argv: Vec<Vec<u8>>,
    /// The client's address.
    pub addr: String,
    /// The client's name.
    pub name: Vec<u8>,
}

/// The latest such commands, newest first.
#[derive(Default)]
pub struct SlowLog {
    log: Mutex<(u64, VecDeque<SlowEntry>)>,
}

impl SlowLog {
    const ARGUMENTS_MAX: usize = 32;
    const ARGUMENT_LEN_MAX: usize = 128;

    /// Adds a command; `redacted` arguments are not shown. Keeps at most `len_max` entries.
    pub fn add(
        &self,
        client: &ClientHandle,
        argv: Argv<'_>,
        redacted: &[usize],
        time: i64,
        measure: u64,
        len_max: usize,
    ) {
        let argv = shorten(argv, redacted);
        let mut log = self.log.lock();
        let (next_id, entries) = &mut *log;
        let id = *next_id;
        *next_id += 1;
        let name = client.name.lock().clone();
        entries.push_front(SlowEntry { id, time, measure, argv, addr: client.addr.clone(), name });
        entries.truncate(len_max);
    }
    /// The newest `count` entries.
    pub fn newest(&self, count: usize) -> Vec<SlowEntry> {
        self.log.lock().1.iter().take(count).cloned().collect()
    }
    /// Drops the oldest entries beyond `len_max`.
    pub fn truncate(&self, len_max: usize) {
        self.log.lock().1.truncate(len_max);
    }
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.log.lock().1.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Forgets all entries.
    pub fn reset(&self) {
        self.log.lock().1.clear();
    }
}

fn shorten(argv: Argv<'_>, redacted: &[usize]) -> Vec<Vec<u8>> {
    let shown = if argv.len() > SlowLog::ARGUMENTS_MAX { SlowLog::ARGUMENTS_MAX - 1 } else { argv.len() };
    let mut short: Vec<Vec<u8>> = (0..shown)
        .map(|index| {
            let argument = argv.at(index);
            if redacted.contains(&index) {
                b"(redacted)".to_vec()
            } else if argument.len() > SlowLog::ARGUMENT_LEN_MAX {
                let rest = argument.len() - SlowLog::ARGUMENT_LEN_MAX;
                [&argument[..SlowLog::ARGUMENT_LEN_MAX], format!("... ({rest} more bytes)").as_bytes()].concat()
            } else {
                argument.to_vec()
            }
        })
        .collect();
    if shown < argv.len() {
        short.push(format!("... ({} more arguments)", argv.len() - shown).into_bytes());
    }
    short
}
