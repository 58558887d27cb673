//! Where the memory is: the figures of INFO memory and of MEMORY.

use crate::client::ClientKind;
use crate::server::Server;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is remembered about memory.
#[derive(Default)]
pub struct MemoryWatch {
    peak: AtomicU64,
    /// Unix seconds at which the peak was seen.
    peak_s: AtomicU64,
    startup: AtomicU64,
}

impl MemoryWatch {
    /// A worker is ready to serve, and so many bytes are used.
    pub fn started(&self, used: usize) {
        self.startup.fetch_max(used as u64, Relaxed);
        self.observe(used);
    }
    /// So many bytes are used now.
    pub fn observe(&self, used: usize) {
        if self.peak.fetch_max(used as u64, Relaxed) < used as u64 {
            self.peak_s.store(crate::clock::unix_ms().unsigned_abs() / 1000, Relaxed);
        }
    }
}

/// What the allocator says about itself, in bytes; zeroes where it is not jemalloc.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocator {
    /// Handed out.
    pub allocated: u64,
    /// In pages of which some is handed out.
    pub active: u64,
    /// In physical memory.
    pub resident: u64,
}

/// Tables of one database, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabaseOverhead {
    /// Its number.
    pub db: usize,
    /// Bucket arrays of all its keys.
    pub main: u64,
    /// Bucket arrays of the keys with a deadline.
    pub expires: u64,
    /// The part of `main` that is being given up.
    pub rehashing: u64,
}

/// The state of memory at one moment, in bytes where nothing else is said.
#[derive(Clone, Debug, Default)]
pub struct MemoryReport {
    /// Used by the workers and the tables.
    pub used: u64,
    /// The most ever used.
    pub peak: u64,
    /// Unix seconds at which that was.
    pub peak_s: u64,
    /// Used when the server was ready, before it had any data.
    pub startup: u64,
    /// Of physical memory, by the whole process.
    pub resident: u64,
    /// Buffers of ordinary clients.
    pub clients_normal: u64,
    /// Buffers of replicas.
    pub clients_replicas: u64,
    /// The replicas' stream.
    pub replication_buffers: u64,
    /// The part of it that is there without replicas, too.
    pub replication_backlog: u64,
    /// What is to be written to the append-only file.
    pub file_buffer: u64,
    /// Bytes for which no key is evicted.
    pub not_counted: u64,
    /// Number of clients other than replicas.
    pub clients: u64,
    /// Databases that have keys.
    pub databases: Vec<DatabaseOverhead>,
    /// Number of keys.
    pub keys: u64,
    /// The allocator's view.
    pub allocator: Allocator,
}

impl MemoryReport {
    /// Looks now.
    pub fn take(server: &Server) -> MemoryReport {
        let store = &server.store;
        store.publish_memory();
        let used = store.used_memory();
        server.memory.observe(used);
        let mut report = MemoryReport {
            used: used as u64,
            peak: server.memory.peak.load(Relaxed),
            peak_s: server.memory.peak_s.load(Relaxed),
            startup: server.memory.startup.load(Relaxed),
            allocator: Allocator::read(),
            ..MemoryReport::default()
        };
        let (allocated, _) = server.log.allocated();
        report.replication_buffers = allocated;
        report.replication_backlog = allocated.min(server.config().repl_backlog_size);
        report.not_counted = crate::memory::not_counted(server) as u64;
        report.file_buffer = server.log.allocated_for_file() + server.aof.unwritten_bytes();
        report.resident = super::process::resident_bytes().unwrap_or(report.allocator.resident);
        for client in server.clients.all() {
            if client.kind() == ClientKind::Replica {
                report.clients_replicas += client.buffer_bytes();
            } else {
                report.clients_normal += client.buffer_bytes();
                report.clients += 1;
            }
        }
        if report.clients_replicas > 0 {
            report.clients_replicas += report.replication_buffers - report.replication_backlog;
        }
        for db in 0..store.databases() {
            let keys = store.db_len(db);
            if keys > 0 {
                let (main, expires) = store.db_table_bytes(db);
                let rehashing = store.db_rehashing_bytes(db) as u64;
                report.keys += keys as u64;
                report.databases.push(DatabaseOverhead { db, main: main as u64, expires: expires as u64, rehashing });
            }
        }
        report
    }

    /// What is no data: the server itself, its clients, its tables.
    pub fn overhead(&self) -> u64 {
        let tables: u64 = self.databases.iter().map(|tables| tables.main + tables.expires).sum();
        let clients = self.clients_normal + self.clients_replicas;
        self.startup + clients + self.replication_backlog + self.file_buffer + tables
    }
    /// What is data.
    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead())
    }
    /// Share of the data in what was used since the start, in percent.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.since_startup().max(1))
    }
    /// What is used, in percent of the peak.
    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak.max(1))
    }
    /// What a key takes on average, all overhead that came with the data included.
    pub fn bytes_per_key(&self) -> u64 {
        self.since_startup().checked_div(self.keys).unwrap_or(0)
    }
    /// Bytes of tables that are being given up, and how many databases do that.
    pub fn rehashing(&self) -> (u64, usize) {
        let rehashing = self.databases.iter().filter(|tables| tables.rehashing > 0);
        (rehashing.clone().map(|tables| tables.rehashing).sum(), rehashing.count())
    }
    /// Physical memory against what is used.
    pub fn fragmentation(&self) -> Proportion {
        Proportion::new(self.resident, self.used)
    }
    /// Pages in use against what is handed out of them.
    pub fn allocator_fragmentation(&self) -> Proportion {
        Proportion::new(self.allocator.active, self.allocator.allocated)
    }
    /// The allocator's physical memory against its pages in use.
    pub fn allocator_resident(&self) -> Proportion {
        Proportion::new(self.allocator.resident, self.allocator.active)
    }
    /// The process's physical memory against the allocator's.
    pub fn resident_overhead(&self) -> Proportion {
        Proportion::new(self.resident, self.allocator.resident)
    }
    fn since_startup(&self) -> u64 {
        self.used.saturating_sub(self.startup)
    }
}

/// How one number of bytes compares to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// Their ratio; 0 where there is nothing to compare with.
    pub ratio: f64,
    /// Their difference.
    pub bytes: i64,
}

impl Proportion {
    fn new(outer: u64, inner: u64) -> Proportion {
        let ratio = if inner == 0 { 0.0 } else { outer as f64 / inner as f64 };
        Proportion { ratio, bytes: outer as i64 - inner as i64 }
    }
}

impl Allocator {
    /// The name and version of the allocator, as in `jemalloc-5.3.0`.
    pub fn name() -> String {
        let version = tikv_jemalloc_ctl::version::read().unwrap_or("unknown");
        format!("jemalloc-{}", version.split('-').next().unwrap_or(version))
    }

    fn read() -> Allocator {
        use tikv_jemalloc_ctl::{epoch, stats};
        // Statistics are as of the last change of the epoch.
        if epoch::advance().is_err() {
            return Allocator::default();
        }
        Allocator {
            allocated: stats::allocated::read().unwrap_or(0) as u64,
            active: stats::active::read().unwrap_or(0) as u64,
            resident: stats::resident::read().unwrap_or(0) as u64,
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allocator_has_its_options() {
        // The build sets them from outside of the code, so that one may lose them without noticing.
        let options = tikv_jemalloc_ctl::config::malloc_conf::read().expect("jemalloc tells its options");
        assert!(options.contains("slab_sizes:128-128:4|256-256:4|512-512:16,cache_oblivious:false"), "{options}");
    }

    #[test]
    fn figures_follow_from_each_other() {
        let report = MemoryReport {
            used: 10_000,
            peak: 20_000,
            startup: 1000,
            resident: 30_000,
            clients_normal: 500,
            databases: vec![
                DatabaseOverhead { db: 0, main: 1000, expires: 400, rehashing: 0 },
                DatabaseOverhead { db: 3, main: 96, expires: 4, rehashing: 32 },
            ],
            keys: 9,
            ..MemoryReport::default()
        };
        assert_eq!((report.overhead(), report.dataset(), report.bytes_per_key()), (3000, 7000, 1000));
        assert_eq!((report.peak_percent(), report.rehashing()), (50.0, (32, 1)));
        assert_eq!(report.fragmentation(), Proportion { ratio: 3.0, bytes: 20_000 });
        assert_eq!(report.allocator_fragmentation(), Proportion { ratio: 0.0, bytes: 0 });
        assert_eq!(MemoryReport::default().dataset_percent(), 0.0);
    }
}
