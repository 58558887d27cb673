//! Runs one unit of the suite, kept apart from the machine and from other units.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::copy::Copy;
use super::log::Outcome;

/// The lowest port that the suite hands out, and how many it may use for one unit.
const PORT_FIRST: u16 = 21_111;
const PORTS_PER_UNIT: u16 = 2_500;

/// Seconds without any progress after which the suite itself gives a unit up.
const IDLE_SECONDS_MAX: u64 = 120;

/// How far a unit is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// A network and a process namespace of its own: ports never clash and nothing outlives the unit.
    Namespaces,
    /// Only ports of its own on the loopback interface.
    Ports,
}

impl Isolation {
    /// The best kind that this machine allows.
    pub(crate) fn probe() -> Isolation {
        let mut command = enclosed();
        command.arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.status() {
            Ok(status) if status.success() => Isolation::Namespaces,
            _ => Isolation::Ports,
        }
    }

    /// How many units may run at once: without namespaces their ports, and the cluster ports 10,000 above them, must
    /// all be distinct.
    pub(crate) fn jobs_max(self) -> usize {
        match self {
            Isolation::Namespaces => usize::MAX,
            Isolation::Ports => 4,
        }
    }
}

/// How units are run.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Seconds that a unit may take.
    pub(crate) timeout: Duration,
    /// Where the logs of the units are kept.
    pub(crate) logs: PathBuf,
    /// How units are kept apart.
    pub(crate) isolation: Isolation,
}

/// One finished run of a unit.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// What the suite printed.
    pub(crate) outcome: Outcome,
    /// Whether it was ended because of its time.
    pub(crate) timed_out: bool,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// Runs `unit` in `copy`; `job` numbers the runs that take place at the same time. A run that takes too long is ended
/// and told so in the result; errs only when the suite cannot be run at all.
pub(crate) fn run(unit: &str, copy: &Copy, job: usize, limits: &Limits) -> Result<Run> {
    copy.sweep()?;
    let log = log_path(&limits.logs, unit);
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let port = match limits.isolation {
        Isolation::Namespaces => PORT_FIRST,
        Isolation::Ports => PORT_FIRST + PORTS_PER_UNIT * u16::try_from(job)?,
    };
    let mut command = match limits.isolation {
        Isolation::Namespaces => enclosed(),
        Isolation::Ports => Command::new("env"),
    };
    command.args(["tclsh", "tests/test_helper.tcl", "--single", unit, "--clients", "1", "--durable"]);
    command.args(["--timeout", &limits.timeout.as_secs().min(IDLE_SECONDS_MAX).to_string()]);
    command.args(["--baseport", &port.to_string(), "--portcount", &PORTS_PER_UNIT.to_string()]);
    command.current_dir(copy.folder()).env("TERM", "dumb").env("LC_ALL", "C.UTF-8").process_group(0);
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);

    let started = Instant::now();
    let mut child = command.spawn().context("cannot start tclsh")?;
    let timed_out = !wait(&mut child, started + limits.timeout)?;
    end_group(&child);
    child.wait()?;
    let text = fs::read(&log)?;
    let outcome = Outcome::parse(&String::from_utf8_lossy(&text));
    Ok(Run { outcome, timed_out, elapsed: started.elapsed() })
}

/// Where the log of `unit` is kept.
pub(crate) fn log_path(logs: &Path, unit: &str) -> PathBuf {
    logs.join(format!("{}.log", unit.replace('/', "__")))
}

/// The start of a command that runs in namespaces of its own. The shell stays as the first process in there, to reap
/// what is orphaned; and all of it ends with the thread that started it.
fn enclosed() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", "ip link set lo up && \"$@\"; exit $?", "sh"]);
    command
}

/// Waits until the child has ended; false when `deadline` came first.
fn wait(child: &mut Child, deadline: Instant) -> Result<bool> {
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(true)
}

/// Ends what is left of the child's process group: servers that outlived their unit, or all of it after a time-out.
fn end_group(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // The group may be gone, which is what is wanted.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}
