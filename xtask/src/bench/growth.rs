//! How long others wait while the table grows.

use std::io::{BufRead, BufReader, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::load::{fill, fill_in_batches};
use super::process::{Process, Program};
use super::table::print;
use crate::workspace;

/// Keys that the table grows to, and those that the control writes over and over.
const KEYS: u64 = 20_000_000;
const KEYS_CONTROL: u64 = 1_000_000;
const CONTROL_ROUNDS: usize = 3;

/// Requests sent at once: few, so that a probe hardly waits for the batch before it.
const BATCH: u64 = 128;

/// Length of the quiet time, and the pause between two probes.
const QUIET: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_micros(500);

const VALUE: &str = "0123456789abcdef";

/// Prints the waits of a client that reads one key: on a quiet server, while another writes keys that are there already,
/// and while that one sets twenty million new ones. Errs when the server does.
pub(crate) fn run(program: &Program) -> Result<()> {
    let server = Process::start(program, 1, Some(0))?;
    let own = std::process::id().to_string();
    workspace::capture(Command::new("taskset").args(["--all-tasks", "--cpu-list", "--pid", "1", &own]))?;
    server.command("SET probe value")?;
    fill(&server, "key", KEYS_CONTROL, VALUE)?;
    let quiet = probe_while(&server, || {
        thread::sleep(QUIET);
        Ok(())
    })?;
    let steady = probe_while(&server, || {
        (0..CONTROL_ROUNDS).try_for_each(|_| fill_in_batches(&server, "key", KEYS_CONTROL, VALUE, BATCH))
    })?;
    let growing = probe_while(&server, || fill_in_batches(&server, "key", KEYS, VALUE, BATCH))?;
    println!("\n## Waits of a bystander while the table grows to {KEYS} keys, server on core 0, clients on core 1\n");
    let row = |name: &str, waits: &[f64]| {
        let figures = [0.5, 0.999, 0.9999, 1.0].map(|p| format!("{:.2}", part(waits, p)));
        [vec![name.to_owned(), waits.len().to_string()], figures.to_vec()].concat()
    };
    let rows = [row("quiet", &quiet), row("writes without growth", &steady), row("growing", &growing)];
    print(&["", "probes", "p50 ms", "p99.9 ms", "p99.99 ms", "worst ms"], &rows);
    Ok(())
}

/// Probes the server while `work` runs, and returns the waits in milliseconds, sorted.
fn probe_while(server: &Process, work: impl FnOnce() -> Result<()>) -> Result<Vec<f64>> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let prober = scope.spawn(|| probe(server, &done));
        let outcome = work();
        done.store(true, Ordering::Relaxed);
        let waits = prober.join().ok().context("the prober panicked")?;
        outcome.and(waits)
    })
}

fn probe(server: &Process, done: &AtomicBool) -> Result<Vec<f64>> {
    let mut stream = server.connect()?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut waits = Vec::new();
    let mut reply = String::new();
    while !done.load(Ordering::Relaxed) {
        let started = Instant::now();
        stream.write_all(b"GET probe\r\n")?;
        reply.clear();
        reader.read_line(&mut reply)?;
        reader.read_line(&mut reply)?;
        waits.push(started.elapsed().as_secs_f64() * 1000.0);
        ensure!(reply == "$5\r\nvalue\r\n", "GET: {reply:?}");
        thread::sleep(PAUSE);
    }
    waits.sort_by(f64::total_cmp);
    Ok(waits)
}

/// The wait that this part of the probes stays within.
fn part(waits: &[f64], part: f64) -> f64 {
    let last = waits.len().saturating_sub(1);
    waits.get((last as f64 * part) as usize).copied().unwrap_or_default()
}
