//! How long others wait while the table grows.

use std::io::{BufRead, BufReader, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::load::fill;
use super::process::{Process, Program};

/// Keys that the table grows to.
const KEYS: u64 = 20_000_000;

/// Length of the quiet control, and the pause between two probes.
const CONTROL: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_micros(500);

/// Prints the waits of a client that reads one key, first on a quiet server and then while twenty million keys are set by
/// another. Errs when the server does.
pub(crate) fn run(program: &Program) -> Result<()> {
    let server = Process::start(program, 1, Some(0))?;
    server.command("SET probe value")?;
    let quiet = probe_while(&server, || {
        thread::sleep(CONTROL);
        Ok(())
    })?;
    let growing = probe_while(&server, || fill(&server, "key", KEYS, "0123456789abcdef"))?;
    println!("\n## Waits of a bystander while the table grows to {KEYS} keys, in milliseconds\n");
    for (name, waits) in [("quiet", &quiet), ("growing", &growing)] {
        println!("{name:8} {} probes, p99.9 {:.2}, worst {:.2}", waits.len(), part(waits, 0.999), part(waits, 1.0));
    }
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
