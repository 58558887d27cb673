//! Huge pages behind large data, put there by a thread of its own while the data hold still.
//!
//! A look-up among millions of keys goes to random places, which with small pages costs walks through the page tables
//! beside the data themselves. But the system may take milliseconds to make a huge page ready when memory is touched for
//! the first time. So memory is taken in small pages, and these are exchanged later, a few at a time.
//!
//! The kernel may keep the processor for all of an exchange: for half a millisecond, or for five where a virtual machine's
//! host has to find the memory first. Where it takes so long, exchanges wait for moments in which no client wants anything.

use crate::server::Server;
use nix::time::{ClockId, clock_gettime};
use ochre_store::huge;
use std::io;
use std::sync::Weak;
use std::time::Duration;

/// With less in memory, the processor remembers where all small pages are.
const BYTES_MIN: usize = 64 << 20;
/// How often the amount of data is looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long other threads that need memory have between two exchanges.
const PAUSE: Duration = Duration::from_micros(500);
/// What clients may be held up for by an exchange.
const QUICK: Duration = Duration::from_millis(1);

/// Starts the thread, which ends with the server.
///
/// # Errors
/// When there can be no thread.
pub(crate) fn start(server: Weak<Server>) -> io::Result<()> {
    std::thread::Builder::new().name("huge-pages".into()).spawn(move || watch(&server)).map(drop)
}

fn watch(server: &Weak<Server>) {
    let mut exchange = Exchange::new(server.upgrade().is_some_and(|server| server.config().background_huge_pages));
    loop {
        std::thread::sleep(INTERVAL);
        let Some(server) = server.upgrade() else { return };
        if let Err(error) = exchange.go_on(&server) {
            tracing::debug!(%error, "no huge pages");
            // Memory may be in pieces now and whole again later.
            exchange.left.clear();
        }
    }
}

/// What the thread has done and has yet to do.
struct Exchange {
    /// The amount of data at the last look.
    seen: usize,
    /// The amount of data at the last look through all their pages, and which of these are left.
    taken: usize,
    left: Vec<usize>,
    /// Whether an exchange takes so little that clients need not be asked.
    is_quick: bool,
    /// How many commands there had been at the last look.
    commands: u64,
}

impl Exchange {
    /// Finds out how long one takes, if they are `wanted`.
    fn new(wanted: bool) -> Exchange {
        let is_quick = wanted && timed(huge::trial).is_ok_and(|took| took <= QUICK);
        Exchange { seen: 0, taken: 0, left: Vec::new(), is_quick, commands: 0 }
    }

    /// Exchanges the pages of all data, if these hold still.
    fn go_on(&mut self, server: &Server) -> io::Result<()> {
        let used = server.store.used_memory();
        let before = std::mem::replace(&mut self.seen, used);
        if used < BYTES_MIN || !near(used, before, 256) || !server.config().background_huge_pages {
            return Ok(());
        }
        if !near(used, self.taken, 8) {
            let ranges = anonymous_ranges(&std::fs::read_to_string("/proc/self/maps")?);
            self.left = ranges.into_iter().flat_map(whole_pages).collect();
            self.taken = used;
        }
        while near(server.store.used_memory(), used, 8)
            && !self.left.is_empty()
            && (self.is_quick || self.is_idle(server))
            && let Some(address) = self.left.pop()
        {
            self.is_quick &= timed(|| huge::collapse(address))? <= QUICK;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Whether there was no command since the last look, an interval ago or before the last exchange: then there will hardly
    /// be one during the next.
    fn is_idle(&mut self, server: &Server) -> bool {
        let commands = server.stats.sum(|worker| worker.commands.get());
        std::mem::replace(&mut self.commands, commands) == commands
    }
}

/// For how long it has kept the processor.
fn timed(work: impl FnOnce() -> io::Result<()>) -> io::Result<Duration> {
    let clock = || Ok::<_, io::Error>(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?);
    let begun = clock()?;
    work()?;
    Ok((clock()? - begun).into())
}

/// Whether two amounts differ by less than one part in `parts`.
fn near(a: usize, b: usize, parts: usize) -> bool {
    a.abs_diff(b) < a / parts
}

/// The address ranges of a process that hold its data, of what proc_pid_maps(5) lists.
fn anonymous_ranges(maps: &str) -> Vec<std::ops::Range<usize>> {
    let range = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let (addresses, permissions, inode) = (columns.next()?, columns.next()?, columns.nth(2)?);
        // The main heap and mappings without a name; stacks are named or small.
        let named = columns.next().is_some_and(|name| name != "[heap]" && !name.starts_with("[anon"));
        let (start, end) = addresses.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        (permissions == "rw-p" && inode == "0" && !named).then_some(range)
    };
    maps.lines().filter_map(range).collect()
}

/// Where the places of huge pages start that lie in a range as a whole.
fn whole_pages(range: std::ops::Range<usize>) -> impl Iterator<Item = usize> {
    let first = range.start.next_multiple_of(huge::HUGE_BYTES);
    (first..range.end.saturating_sub(huge::HUGE_BYTES - 1)).step_by(huge::HUGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lie_in_writable_memory_without_a_file() {
        let maps = "55d0-55e0 r-xp 00000000 08:01 1234 /usr/bin/x\n\
                    7f00-7f80 rw-p 00000000 00:00 0 \n\
                    8000-8080 rw-p 00000000 00:00 0 [heap]\n\
                    9000-9080 rw-p 00000000 00:00 0 [stack]\n\
                    a000-a080 rw-s 00000000 00:00 0 \n\
                    b000-b080 rw-p 00000000 08:01 7 /usr/lib/y\n";
        assert_eq!(anonymous_ranges(maps), [0x7f00..0x7f80, 0x8000..0x8080]);
    }

    #[test]
    fn huge_pages_lie_within_a_range() {
        let places = |range| whole_pages(range).collect::<Vec<_>>();
        assert_eq!(places(0x1f_f000..0x7f_ffff), [0x20_0000, 0x40_0000]);
        assert_eq!(places(0x20_0000..0x40_0000), [0x20_0000]);
        assert!(places(0x20_1000..0x5f_ffff).is_empty());
    }

    #[test]
    fn pages_can_be_exchanged_and_keep_what_they_hold() {
        let mut data = vec![0u64; 3 * huge::HUGE_BYTES / 8];
        data.iter_mut().enumerate().for_each(|(index, word)| *word = index as u64);
        let start = (data.as_ptr().addr()).next_multiple_of(huge::HUGE_BYTES);
        match huge::collapse(start) {
            Ok(()) => {}
            // A system without it, or without a free huge page, says so and leaves all as it is.
            Err(error) => assert!(error.raw_os_error().is_some(), "{error}"),
        }
        assert!(data.iter().enumerate().all(|(index, word)| *word == index as u64));
    }
}
