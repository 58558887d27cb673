//! Runs the tests one after another and prints their results.

use std::io::{self, Read, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use ochre_resp::Value;

use crate::bench::digits::Random;
use crate::bench::error::BenchError;
use crate::bench::histogram::Histogram;
use crate::bench::idle::hold;
use crate::bench::link::{Connector, Link};
use crate::bench::options::{Format, Options, Workload};
use crate::bench::report::{CSV_HEADER, Outcome};
use crate::bench::shared::Shared;
use crate::bench::template::{Batch, Template, encode, with_payload};
use crate::bench::worker::{Pace, Task, run as run_worker};
use crate::connection::Connection;

/// How often the progress line is renewed.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// Runs what `options` ask for, printing to standard output. With [`Options::repeat`] or [`Options::idle`] it ends
/// only with an error.
///
/// # Errors
/// The first error of a connection, or of the server; see [`BenchError`].
pub fn run(options: &Options) -> Result<(), BenchError> {
    let server_config = server_config(options)?;
    if server_config.is_none() {
        eprintln!("WARNING: Could not fetch server CONFIG");
    }
    if options.idle {
        return hold(options.endpoint.clone(), options.security.clone(), options.clients);
    }
    if options.format == Format::Csv {
        print(&format!("{CSV_HEADER}\n"))?;
    }
    let mut bench = Bench { options, server_config, connector: connector(options), runs: 0 };
    match &options.workload {
        Workload::Command(arguments) => bench.command(arguments),
        Workload::Tests(tests) => loop {
            for (title, template) in tests.templates(options.payload, options.keyspace.is_some()) {
                bench.test(title, &template, options.payload)?;
            }
            if matches!(options.format, Format::Full | Format::Quiet) {
                print("\n")?;
            }
            if !options.repeat {
                return Ok(());
            }
        },
    }
}

struct Bench<'a> {
    options: &'a Options,
    server_config: Option<(String, String)>,
    connector: Connector,
    /// Tests so far, so that each draws other random numbers.
    runs: u64,
}

impl Bench<'_> {
    fn command(&mut self, arguments: &[Vec<u8>]) -> Result<(), BenchError> {
        let title = String::from_utf8_lossy(&arguments.join(&b' ')).into_owned();
        let mut filled: Vec<_> =
            arguments.iter().map(|argument| with_payload(argument, self.options.payload)).collect();
        if self.options.stdin {
            let mut last = Vec::new();
            io::stdin().read_to_end(&mut last)?;
            filled.push(last);
        }
        let template = Template::command(&filled);
        loop {
            self.test(&title, &template, template.request_len())?;
            if !self.options.repeat {
                return Ok(());
            }
        }
    }

    /// Runs one test and prints its result. `payload` is the number of bytes the report names.
    fn test(&mut self, title: &str, template: &Template, payload: usize) -> Result<(), BenchError> {
        let threads = self.options.threads.clamp(1, self.options.clients);
        let mut links: Vec<Vec<Link>> = (0..threads).map(|_| Vec::new()).collect();
        for (_, group) in (0..self.options.clients).zip((0..threads).cycle()) {
            let link = self.connector.open()?;
            if let Some(group) = links.get_mut(group) {
                group.push(link);
            }
        }
        self.runs += 1;
        let (latencies, shared, elapsed) = self.drive(title, template, links)?;
        let outcome = Outcome {
            title: title.to_owned(),
            requests: shared.totals().0,
            seconds: elapsed.as_secs_f64(),
            latencies,
            clients: self.options.clients,
            threads: self.options.threads,
            pipeline: self.options.pipeline,
            payload,
            keepalive: self.options.keepalive,
            server_config: self.server_config.clone(),
        };
        print(&match self.options.format {
            Format::Full => outcome.full(),
            Format::Quiet => outcome.quiet() + "\n",
            Format::Csv => outcome.csv() + "\n",
            Format::Json => outcome.json() + "\n",
        })
    }

    /// Sends requests on a thread for each group of links, while this thread shows the progress.
    fn drive(
        &self,
        title: &str,
        template: &Template,
        links: Vec<Vec<Link>>,
    ) -> Result<(Histogram, Shared, Duration), BenchError> {
        let shared = Shared::new(self.options.extent, links.len());
        let mut merged = Histogram::new(self.options.digits);
        let (sender, results) = channel();
        let mut ended = shared.start();
        thread::scope(|scope| {
            let mut running = 0;
            for (index, group) in links.into_iter().enumerate() {
                let Some(progress) = shared.progress(index) else { continue };
                let task = Task {
                    connector: &self.connector,
                    shared: &shared,
                    progress,
                    batch: Batch::new(template, self.options.pipeline, self.options.keyspace.is_some()),
                    pipeline: self.options.pipeline,
                    keyspace: self.options.keyspace.unwrap_or(0),
                    random: Random::new(self.options.seed ^ (self.runs << 32) ^ index as u64),
                    keepalive: self.options.keepalive,
                    digits: self.options.digits,
                    pace: self.pace(index, group.len()),
                };
                let sender = sender.clone();
                running += 1;
                scope.spawn(move || {
                    // The receiver is gone only when another thread has failed and the run is over.
                    let _ = sender.send(run_worker(task, group));
                });
            }
            let mut line = ProgressLine::new(title, self.options.format, &shared);
            while running > 0 {
                match results.recv_timeout(PROGRESS_INTERVAL) {
                    Ok(Ok(latencies)) => {
                        merged.add(&latencies);
                        running -= 1;
                        ended = Instant::now();
                    }
                    // Threads cannot be stopped from outside, and the program ends on the first error anyhow.
                    Ok(Err(error)) => abort(&error),
                    Err(RecvTimeoutError::Timeout) => line.renew(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            line.clear();
        });
        let elapsed = ended.duration_since(shared.start());
        Ok((merged, shared, elapsed))
    }

    fn pace(&self, thread: usize, links: usize) -> Pace {
        let Some(rps) = self.options.rps else { return Pace::Closed };
        let share = rps * links as f64 / self.options.clients as f64;
        let interval_s = self.options.pipeline as f64 / share;
        let threads = self.options.threads.clamp(1, self.options.clients);
        Pace::Open {
            interval: Duration::from_secs_f64(interval_s),
            phase: Duration::from_secs_f64(interval_s * thread as f64 / threads as f64),
        }
    }
}

/// Prints the error as the caller of [`run`] would and ends the process.
fn abort(error: &BenchError) -> ! {
    eprintln!("{error}");
    std::process::exit(1)
}

/// The line that shows how a test is going; each renewal overwrites the last.
struct ProgressLine<'a> {
    title: &'a str,
    shown: bool,
    shared: &'a Shared,
    /// Time, requests and latency sum when the line was last renewed.
    last: (Instant, u64, u64),
    width: usize,
}

impl<'a> ProgressLine<'a> {
    fn new(title: &'a str, format: Format, shared: &'a Shared) -> Self {
        let shown = matches!(format, Format::Full | Format::Quiet);
        Self { title, shown, shared, last: (shared.start(), 0, 0), width: 0 }
    }

    fn renew(&mut self) {
        if !self.shown {
            return;
        }
        let now = Instant::now();
        let (requests, sum_us) = self.shared.totals();
        let (last_time, last_requests, last_sum_us) = self.last;
        let recent = requests.saturating_sub(last_requests);
        let text = format!(
            "{}: rps={:.1} (overall: {:.1}) avg_msec={:.3} (overall: {:.3})",
            self.title,
            recent as f64 / now.duration_since(last_time).as_secs_f64(),
            requests as f64 / now.duration_since(self.shared.start()).as_secs_f64(),
            mean_ms(sum_us.wrapping_sub(last_sum_us), recent),
            mean_ms(sum_us, requests),
        );
        self.clear();
        // A progress line that cannot be shown is no reason to stop measuring.
        let _ = print(&format!("{text}\r"));
        self.width = text.len();
        self.last = (now, requests, sum_us);
    }

    fn clear(&self) {
        if self.shown && self.width > 0 {
            // See above.
            let _ = print(&format!("{:width$}\r", "", width = self.width));
        }
    }
}

/// Writes to standard output at once.
fn print(text: &str) -> Result<(), BenchError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(BenchError::Output)
}

fn mean_ms(sum_us: u64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum_us as f64 / count as f64 / 1000.0 }
}

/// Connections that begin with AUTH, HELLO, CLIENT TRACKING and SELECT as far as asked for.
fn connector(options: &Options) -> Connector {
    let mut commands: Vec<Vec<&[u8]>> = Vec::new();
    if let Some(password) = &options.password {
        let user = options.user.as_deref();
        commands.push([Some(&b"AUTH"[..]), user, Some(password)].into_iter().flatten().collect());
    }
    if options.resp3 {
        commands.push(vec![b"HELLO", b"3"]);
    }
    if options.tracking {
        commands.push(vec![b"CLIENT", b"TRACKING", b"ON"]);
    }
    let db = options.db.to_string();
    if options.db != 0 {
        commands.push(vec![b"SELECT", db.as_bytes()]);
    }
    let prefix = commands.iter().flat_map(|command| encode(command)).collect();
    Connector::new(options.endpoint.clone(), options.security.clone(), prefix, commands.len())
}

/// The server's `save` and `appendonly`; `None` when it does not tell.
fn server_config(options: &Options) -> Result<Option<(String, String)>, BenchError> {
    let failed = |source| BenchError::Connect { endpoint: options.endpoint.clone(), source };
    let refused = |text| BenchError::Refused { endpoint: options.endpoint.clone(), text };
    let mut connection = Connection::open(&options.endpoint, options.security.as_ref(), None).map_err(failed)?;
    if let Some(password) = &options.password {
        let user = options.user.as_deref();
        let command: Vec<&[u8]> = [Some(&b"AUTH"[..]), user, Some(password)].into_iter().flatten().collect();
        if let Value::Error(text) = connection.call(&command)? {
            return Err(refused(String::from_utf8_lossy(&text).into_owned()));
        }
    }
    let mut values = Vec::new();
    for name in ["save", "appendonly"] {
        match connection.call(&["CONFIG", "GET", name])? {
            Value::Error(text) if text.starts_with(b"NOAUTH") => {
                return Err(refused(String::from_utf8_lossy(&text).into_owned()));
            }
            Value::Array(pair) => match pair.get(1) {
                Some(Value::Bulk(value)) => values.push(String::from_utf8_lossy(value).into_owned()),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
    Ok(<[String; 2]>::try_from(values).ok().map(|[save, appendonly]| (save, appendonly)))
}
