//! Huge pages behind large data, put there by a thread of its own while the data hold still.
//!
//! A look-up among millions of keys goes to random places, which with small pages costs walks through the page tables
//! beside the data themselves. But the system may take milliseconds to make a huge page ready when memory is touched for
//! the first time. So memory is taken in small pages, and these are exchanged later, a few at a time.

use crate::server::Server;
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

/// Starts the thread, which ends with the server.
///
/// # Errors
/// When there can be no thread.
pub(crate) fn start(server: Weak<Server>) -> io::Result<()> {
    std::thread::Builder::new().name("huge-pages".into()).spawn(move || watch(&server)).map(drop)
}

fn watch(server: &Weak<Server>) {
    let (mut seen, mut done) = (0, 0);
    loop {
        std::thread::sleep(INTERVAL);
        let Some(server) = server.upgrade() else { return };
        let used = server.store.used_memory();
        let wanted = server.config().background_huge_pages && used >= BYTES_MIN;
        if wanted && near(used, seen, 256) && !near(used, done, 8) {
            match exchange(&server, used) {
                Ok(()) => done = used,
                Err(error) => {
                    tracing::debug!(%error, "no huge pages");
                    // Memory may be in pieces now and whole again later.
                    done = used;
                }
            }
        }
        seen = used;
    }
}

/// Whether two amounts differ by less than one part in `parts`.
fn near(a: usize, b: usize, parts: usize) -> bool {
    a.abs_diff(b) < a / parts
}

/// Exchanges the pages of all data, as long as their amount stays as it is.
fn exchange(server: &Server, used: usize) -> io::Result<()> {
    for range in anonymous_ranges(&std::fs::read_to_string("/proc/self/maps")?) {
        let first = range.start.next_multiple_of(huge::HUGE_BYTES);
        for address in (first..range.end.saturating_sub(huge::HUGE_BYTES - 1)).step_by(huge::HUGE_BYTES) {
            if !near(server.store.used_memory(), used, 8) {
                return Ok(());
            }
            huge::collapse(address)?;
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
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
