//! What the operating system knows about the process and the machine.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor time used, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// By the program itself.
    pub user_us: u64,
    /// By the kernel on its behalf.
    pub system_us: u64,
}

/// Of all threads since the start.
pub fn cpu_of_process() -> Cpu {
    cpu(UsageWho::RUSAGE_SELF)
}

/// Of child processes that have ended.
pub fn cpu_of_children() -> Cpu {
    cpu(UsageWho::RUSAGE_CHILDREN)
}

/// Of the calling thread; zero where the system does not tell.
pub fn cpu_of_thread() -> Cpu {
    #[cfg(any(target_os = "linux", target_os = "freebsd"))]
    return cpu(UsageWho::RUSAGE_THREAD);
    #[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
    Cpu::default()
}

/// Bytes of physical memory the process occupies; `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    kilobytes_in("/proc/self/status", "VmRSS:")
}

/// Bytes of physical memory of the machine; `None` where the system does not tell.
pub fn machine_bytes() -> Option<u64> {
    kilobytes_in("/proc/meminfo", "MemTotal:")
}

/// Name, release and architecture of the operating system.
pub fn operating_system() -> String {
    let kernel = |fact: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{fact}")).unwrap_or_default();
    let (name, release) = (kernel("ostype"), kernel("osrelease"));
    let name = if name.is_empty() { std::env::consts::OS } else { name.trim() };
    let words = [name, release.trim(), std::env::consts::ARCH];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn cpu(who: UsageWho) -> Cpu {
    let micros = |time: TimeVal| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds * 1_000_000 + u64::try_from(time.tv_usec()).unwrap_or(0)
    };
    getrusage(who).map_or(Cpu::default(), |usage| Cpu {
        user_us: micros(usage.user_time()),
        system_us: micros(usage.system_time()),
    })
}

/// The number after `label` in a file of lines such as `MemTotal:  24684084 kB`, in bytes.
fn kilobytes_in(path: &str, label: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells() {
        let resident = resident_bytes().unwrap();
        assert!(resident > 1 << 20 && resident < machine_bytes().unwrap());
        assert!(operating_system().starts_with("Linux "));
        assert_eq!(kilobytes_in("/proc/self/status", "NoSuchLabel:"), None);
        let spin = std::time::Instant::now();
        while spin.elapsed().as_millis() < 20 {}
        assert!(cpu_of_thread().user_us > 0 && cpu_of_process().user_us >= cpu_of_thread().user_us / 2);
    }
}
