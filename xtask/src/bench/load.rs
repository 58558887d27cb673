//! Drives a server with `ochre-benchmark`.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::process::{Process, pinned};

/// The load generator, and how it is used.
#[derive(Debug, Clone)]
pub(crate) struct Generator {
    /// The program.
    pub(crate) path: PathBuf,
    /// The core that it is bound to.
    pub(crate) core: Option<usize>,
    /// Seconds that one measurement takes.
    pub(crate) seconds: f64,
    /// Threads that share the connections.
    pub(crate) threads: usize,
}

/// One command sent over and over.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// What the tables call it.
    pub(crate) name: &'static str,
    /// Its words; `__rand_int__` becomes a number below `keys`.
    pub(crate) words: Vec<String>,
    /// The number of keys; none for one hot key.
    pub(crate) keys: Option<u64>,
}

impl Work {
    /// A command given as one line.
    pub(crate) fn new(name: &'static str, line: &str, keys: Option<u64>) -> Work {
        Work { name, words: line.split_whitespace().map(str::to_owned).collect(), keys }
    }
}

/// What one measurement gave.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Requests a second.
    pub(crate) rps: f64,
    /// CPU time of the server for one request, in microseconds.
    pub(crate) cpu_us: f64,
    /// 99th percentile and worst latency, in milliseconds.
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Generator {
    /// Measures one piece of work at a pipeline depth over 50 connections.
    pub(crate) fn measure(&self, server: &Process, work: &Work, pipeline: usize) -> Result<Measured> {
        let before = server.cpu_ns()?;
        let report = finish(self.start(server, work, pipeline, 50, None)?)?;
        let cpu_ns = server.cpu_ns()?.saturating_sub(before);
        let requests = report["requests"].as_f64().filter(|n| *n > 0.0).context("the generator sent no request")?;
        Ok(Measured { cpu_us: cpu_ns as f64 / 1000.0 / requests, ..measured(&report)? })
    }

    /// Starts a measurement that others may run beside; `rate` fixes the requests a second.
    pub(crate) fn start(
        &self,
        server: &Process,
        work: &Work,
        pipeline: usize,
        clients: usize,
        rate: Option<f64>,
    ) -> Result<Child> {
        let mut command = pinned(&self.path, self.core);
        command.args(["-p", &server.port().to_string(), "-c", &clients.to_string(), "-P", &pipeline.to_string()]);
        command.args(["--threads", &self.threads.to_string(), "--duration", &self.seconds.to_string(), "--json"]);
        if let Some(keys) = work.keys {
            command.args(["-r", &keys.to_string()]);
        }
        if let Some(rate) = rate {
            command.args(["--rps", &format!("{rate:.0}")]);
        }
        command.args(&work.words).stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().with_context(|| format!("cannot start {}", self.path.display()))
    }
}

/// Waits for a generator and returns what it reports.
pub(crate) fn finish(generator: Child) -> Result<Value> {
    let output = generator.wait_with_output()?;
    ensure!(output.status.success(), "the generator failed: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rfind(|line| line.starts_with('{')).context("the generator reported nothing")?;
    Ok(serde_json::from_str(line)?)
}

/// The figures of a report, without CPU time.
pub(crate) fn measured(report: &Value) -> Result<Measured> {
    let field =
        |value: &Value, name: &str| value.as_f64().with_context(|| format!("a report without {name}: {report}"));
    let latency = &report["latency_ms"];
    Ok(Measured {
        rps: field(&report["rps"], "rps")?,
        cpu_us: 0.0,
        p99_ms: field(&latency["p99"], "p99")?,
        max_ms: field(&latency["max"], "max")?,
    })
}

/// Sets `count` keys `<prefix>:<12 digits>` to `value`, one after another, and checks that they arrived.
pub(crate) fn fill(server: &Process, prefix: &str, count: u64, value: &str) -> Result<()> {
    fill_in_batches(server, prefix, count, value, 1000)
}

/// As [`fill`], with so many requests sent at once: what others wait depends on it.
pub(crate) fn fill_in_batches(server: &Process, prefix: &str, count: u64, value: &str, batch: u64) -> Result<()> {
    let stream = server.connect()?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = BufWriter::with_capacity(1 << 16, stream);
    let mut replies = String::new();
    for first in (0..count).step_by(usize::try_from(batch)?) {
        let keys = first..count.min(first + batch);
        let size = keys.end - keys.start;
        for key in keys {
            let key = format!("{prefix}:{key:012}");
            write!(writer, "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n{value}\r\n", key.len(), value.len())?;
        }
        writer.flush()?;
        for _ in 0..size {
            replies.clear();
            reader.read_line(&mut replies)?;
            ensure!(replies == "+OK\r\n", "SET: {replies:?}");
        }
    }
    Ok(())
}
