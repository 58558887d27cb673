//! The process that stands for what saves in the background, where the compatibility level wants one.

use crate::process::job::Job;
use crate::server::Server;
use ochre_store::HeldTables;
use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

/// The signal that ends a job without making it a failure.
const SIGUSR1: i32 = libc::SIGUSR1;

/// What is done in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobKind {
    /// BGSAVE.
    Save,
    /// BGREWRITEAOF.
    Rewrite,
}

impl JobKind {
    /// What the process calls itself.
    fn title(self) -> &'static str {
        match self {
            JobKind::Save => "redis-rdb-bgsave",
            JobKind::Rewrite => "redis-aof-rewrite",
        }
    }
}

/// A process that stands for a job, as long as this lives; or nothing, where none is wanted or none could be started.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    job: Option<Job>,
    /// As in a server that shares its pages with a child: tables stay as large as they are.
    _tables: Option<HeldTables>,
}

impl Standing {
    /// The number of the process, if there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.job.as_ref().map(Job::pid)
    }

    /// What to add to the line that tells of the job.
    pub(crate) fn by_pid(&self) -> String {
        self.pid().map(|pid| format!(" by pid {pid}")).unwrap_or_default()
    }
}

/// Starts a process that stands for a job, where one is wanted. If it is ended by a signal, `on_signal` is called with its
/// number. That none can be started is logged, and does not matter for the job.
pub(crate) fn stand(server: &Server, kind: JobKind, on_signal: impl FnOnce(i32) + Send + 'static) -> Standing {
    let config = server.config();
    if !config.compatibility_level.shows_job_processes() {
        return Standing::default();
    }
    let started = Instant::now();
    let title = crate::boot::title(&config, kind.title(), server.process.config_file.as_deref());
    let job = Job::start(title.as_deref().unwrap_or(kind.title()), on_signal)
        .inspect_err(|error| tracing::warn!("No process stands for this job: {error}"))
        .ok();
    if let Some(job) = &job {
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        server.stats.processes.last_us.store(micros, Relaxed);
        server.stats.processes.started.fetch_add(1, Relaxed);
        set_oom_score(server, job.pid());
    }
    let tables = job.is_some().then(|| server.store.hold_tables());
    Standing { job, _tables: tables }
}

/// Whether a job that was ended by this signal has failed.
pub(crate) fn is_failure(signal: i32) -> bool {
    signal != SIGUSR1
}

/// Tells the kernel what the configuration wants it to think of such processes.
fn set_oom_score(server: &Server, pid: u32) {
    let Some(score) = *server.process.job_oom_score.lock() else { return };
    if let Err(error) = fs::write(format!("/proc/{pid}/oom_score_adj"), format!("{score}\n")) {
        tracing::warn!(%error, "Unable to write oom_score_adj of the process that stands for a job");
    }
}
