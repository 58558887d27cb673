//! Runs one unit of the suite, kept apart from the machine and from other units.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::copy::{Copy, LAUNCHER};
use super::log::{Counts, Outcome, missing};

/// The lowest port that the suite hands out, and how many it may use for one unit.
const PORT_FIRST: u16 = 21_111;
const PORTS_PER_UNIT: u16 = 2_500;

/// How often the log of a running unit is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

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
    /// Seconds without any progress after which the suite itself gives a unit up.
    pub(crate) idle: Duration,
    /// Where the logs of the units are kept.
    pub(crate) logs: PathBuf,
    /// How units are kept apart.
    pub(crate) isolation: Isolation,
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The suite ended by itself.
    Ended,
    /// It had passed all that was wanted of it.
    Satisfied,
    /// It took too long.
    TimedOut,
}

/// One finished run of a unit.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// What the suite printed.
    pub(crate) outcome: Outcome,
    /// How it ended.
    pub(crate) end: End,
    /// How long it took.
    pub(crate) elapsed: Duration,
}

/// What stands before the name of a unit that is run over TLS.
const TLS: &str = "tls:";

/// The name of a unit as the suite knows it, and whether it is to be run over TLS.
pub(crate) fn mode(unit: &str) -> (&str, bool) {
    unit.strip_prefix(TLS).map_or((unit, false), |name| (name, true))
}

/// Runs `unit` in `copy`; `job` numbers the runs that take place at the same time. With `wanted` the run is ended once
/// all of these tests have passed: what comes behind them may only wait for something that is not built yet. A run that
/// takes too long is ended as well; errs only when the suite cannot be run at all.
pub(crate) fn run(unit: &str, copy: &Copy, job: usize, limits: &Limits, wanted: Option<&Counts>) -> Result<Run> {
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
    let (name, over_tls) = mode(unit);
    command.args(["tclsh", LAUNCHER, "--single", name, "--clients", "1", "--durable"]);
    if over_tls {
        copy.certify()?;
        command.arg("--tls");
    }
    command.args(["--timeout", &limits.timeout.min(limits.idle).as_secs().to_string()]);
    command.args(["--baseport", &port.to_string(), "--portcount", &PORTS_PER_UNIT.to_string()]);
    command.current_dir(copy.folder()).env("TERM", "dumb").env("LC_ALL", "C.UTF-8").process_group(0);
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);

    let started = Instant::now();
    let mut child = command.spawn().context("cannot start tclsh")?;
    let end = wait(&mut child, started + limits.timeout, || {
        let Some(wanted) = wanted else { return Ok(false) };
        Ok(missing(wanted, &read(&log)?.passed).is_empty())
    })?;
    end_group(&child);
    child.wait()?;
    Ok(Run { outcome: read(&log)?, end, elapsed: started.elapsed() })
}

fn read(log: &Path) -> Result<Outcome> {
    Ok(Outcome::parse(&String::from_utf8_lossy(&fs::read(log)?)))
}

/// Where the log of `unit` is kept.
pub(crate) fn log_path(logs: &Path, unit: &str) -> PathBuf {
    logs.join(format!("{}.log", unit.replace(['/', ':'], "__")))
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

/// Waits until the child has ended, `satisfied` says that no more is needed, or `deadline` comes.
fn wait(child: &mut Child, deadline: Instant, satisfied: impl Fn() -> Result<bool>) -> Result<End> {
    loop {
        if child.try_wait()?.is_some() {
            return Ok(End::Ended);
        }
        if satisfied()? {
            return Ok(End::Satisfied);
        }
        if Instant::now() >= deadline {
            return Ok(End::TimedOut);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Ends what is left of the child's process group: servers that outlived their unit, or all of it after a time-out.
fn end_group(child: &Child) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // The group may be gone, which is what is wanted.
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
}
