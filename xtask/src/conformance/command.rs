//! The command line of `cargo xtask conformance`: which units run, and what becomes of their results.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use super::copy::{Copy, Programs};
use super::fetch;
use super::ledger::{Differences, Ledger};
use super::log::Counts;
use super::unit::{self, End, Isolation, Limits, Run};
use crate::workspace;

/// How many units run at once, how long one may take, and how long without any progress, unless the command line says
/// otherwise.
const JOBS: usize = 2;
const TIMEOUT_SECONDS: u64 = 600;
/// The longest test breaks a synchronisation a hundred times, and a replica tries again after a second.
const IDLE_SECONDS: u64 = 240;

/// Options of `cargo xtask conformance`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Units to run, such as unit/type/string, or tls:unit/type/string over TLS (default: all; with --check those that passing.txt lists)
    units: Vec<String>,
    /// The server to judge (default: ochre-server, built for it)
    #[arg(long)]
    server: Option<PathBuf>,
    /// The program in the place of redis-cli
    #[arg(long)]
    cli: Option<PathBuf>,
    /// An unpacked source tree of Redis 7.0.15 (default: fetched through apt)
    #[arg(long)]
    suite: Option<PathBuf>,
    /// Units that run at the same time
    #[arg(long, default_value_t = JOBS)]
    jobs: usize,
    /// Seconds that a unit may take
    #[arg(long, default_value_t = TIMEOUT_SECONDS)]
    timeout: u64,
    /// Seconds that a unit may take without ending a test
    #[arg(long, default_value_t = IDLE_SECONDS)]
    idle: u64,
    /// File that gets the results
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder that gets the log of each unit (default: below the target folder)
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Fail when a test of passing.txt does not pass, twice in a row
    #[arg(long)]
    check: bool,
    /// Add the tests that pass now to passing.txt
    #[arg(long, conflicts_with = "check")]
    update: bool,
    /// Write the names that pass to reference.txt, what a real Redis passes; run twice to drop names that vary
    #[arg(long, conflicts_with_all = ["check", "update"])]
    record_reference: bool,
}

/// The committed lists.
struct Lists {
    folder: PathBuf,
    reference: Ledger,
    passing: Ledger,
    differences: Differences,
}

impl Lists {
    fn read() -> Result<Lists> {
        let folder = workspace::root().join("tests/conformance");
        let reference = Ledger::read(&folder.join("reference.txt"))?;
        let passing = Ledger::read(&folder.join("passing.txt"))?;
        let differences = Differences::read(&folder.join("differences.toml"), &reference, &passing)?;
        Ok(Lists { folder, reference, passing, differences })
    }
}

/// Runs the units that `passing.txt` lists as `--check` does, and returns how many of the listed tests passed and how
/// many failed. Errs when the suite cannot be run.
pub(crate) fn check() -> Result<(u32, u32)> {
    let options = Options {
        units: Vec::new(),
        server: None,
        cli: None,
        suite: None,
        jobs: JOBS,
        timeout: TIMEOUT_SECONDS,
        idle: IDLE_SECONDS,
        json: None,
        logs: None,
        check: true,
        update: false,
        record_reference: false,
    };
    execute(&options).map(|counts| counts.unwrap_or_default())
}

/// Runs the suite. Errs when it cannot be run, when a unit had failures that are not listed as differences, and with
/// `--check` when a listed test did not pass.
pub(crate) fn run(options: &Options) -> Result<()> {
    match execute(options)? {
        Some((_, failed)) if failed > 0 => bail!("{failed} tests that passing.txt lists do not pass"),
        _ => Ok(()),
    }
}

/// Returns the counts of listed tests that passed and failed, with `--check`.
fn execute(options: &Options) -> Result<Option<(u32, u32)>> {
    let mut lists = Lists::read()?;
    let suite = match &options.suite {
        Some(suite) => suite.clone(),
        None => fetch::suite()?,
    };
    let units = chosen_units(options, &suite, &lists)?;
    let server = match &options.server {
        Some(server) => server.clone(),
        None => build_ours()?,
    };
    let programs = Programs::find(&server, options.cli.as_deref())?;
    let logs = options.logs.clone().unwrap_or_else(|| workspace::target_dir().join("conformance/logs"));
    fs::create_dir_all(&logs)?;
    let isolation = Isolation::probe();
    if isolation == Isolation::Ports {
        println!("no namespaces to be had here: units share the machine's loopback interface");
    }
    let [timeout, idle] = [options.timeout, options.idle].map(Duration::from_secs);
    let limits = Limits { timeout, idle, logs, isolation };
    println!("suite of Redis {} against {}", fetch::VERSION, programs.server().display());

    let bench = Bench { suite: &suite, programs: &programs, limits: &limits, jobs: options.jobs, check: options.check };
    let mut runs = bench.run_all(&units, &lists)?;
    let flakes = if options.check { retry(&bench, &lists, &mut runs)? } else { Vec::new() };

    report_failures(&runs, &lists, options.check);
    let (passes, total) = totals(&runs, &lists);
    println!("TOTAL {passes}/{total} passed in {} units; logs in {}", runs.len(), limits.logs.display());
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_string_pretty(&to_json(&runs, &lists))?)?;
    }
    if options.record_reference {
        for (unit, run) in &runs {
            lists.reference.record(unit, &run.outcome.passed);
        }
        lists.reference.write(&lists.folder.join("reference.txt"))?;
        return Ok(None);
    }
    if options.update {
        let added: u32 =
            runs.iter().map(|(unit, run)| lists.passing.add(unit, &run.outcome.passed, &lists.reference)).sum();
        lists.passing.write(&lists.folder.join("passing.txt"))?;
        println!("{added} tests added to passing.txt");
        return Ok(None);
    }
    if options.check {
        return Ok(Some(verdict(&runs, &lists, &flakes)));
    }
    let unexplained =
        runs.iter().any(|(unit, run)| !shortfall(unit, run, &lists).is_empty() || run.end == End::TimedOut);
    if unexplained {
        bail!("not every test passed");
    }
    Ok(None)
}

/// The units to run, checked against those that the suite has.
fn chosen_units(options: &Options, suite: &Path, lists: &Lists) -> Result<Vec<String>> {
    let listing =
        workspace::capture(Command::new("tclsh").args(["tests/test_helper.tcl", "--list-tests"]).current_dir(suite))
            .context("tclsh is needed: apt-get install tcl")?;
    let all: Vec<String> =
        listing.split_whitespace().filter(|u| !u.starts_with("unit/moduleapi")).map(str::to_owned).collect();
    let wanted = match (options.units.is_empty(), options.check) {
        (false, _) => options.units.clone(),
        (true, true) => lists.passing.units().map(str::to_owned).collect(),
        (true, false) => all.clone(),
    };
    if let Some(unknown) = wanted.iter().find(|unit| !all.iter().any(|known| known == unit::mode(unit).0)) {
        bail!("the suite has no unit {unknown}; it has: {}", all.join(" "));
    }
    Ok(wanted)
}

/// Builds the server and, as far as they exist, the tools that the suite calls.
fn build_ours() -> Result<PathBuf> {
    for tool in ["ochre-cli", "ochre-benchmark"] {
        if workspace::has_target("ochre-cli", "bin", tool)? {
            workspace::build("ochre-cli", &["--bin", tool], workspace::OPTIMISED)?;
        }
    }
    workspace::build("ochre-server", &["--bin", "ochre-server"], workspace::OPTIMISED)
}

/// Everything that a run of units needs.
struct Bench<'a> {
    suite: &'a Path,
    programs: &'a Programs,
    limits: &'a Limits,
    jobs: usize,
    /// Whether a unit need not go on once all its listed tests have passed.
    check: bool,
}

impl Bench<'_> {
    /// Runs the units, several at a time, and prints one line for each as it ends.
    fn run_all(&self, units: &[String], lists: &Lists) -> Result<BTreeMap<String, Run>> {
        let jobs = self.jobs.clamp(1, self.limits.isolation.jobs_max()).min(units.len().max(1));
        // The largest first, so that all jobs end at about the same time.
        let mut order: Vec<&String> = units.iter().collect();
        order.sort_by_key(|unit| std::cmp::Reverse(lists.reference.total(unit)));
        let queue = Mutex::new(VecDeque::from(order));
        let done = Mutex::new(BTreeMap::new());
        let scratch = std::env::temp_dir().join(format!("oc-{}", std::process::id()));
        let work = |job: usize| -> Result<()> {
            let copy = Copy::new(self.suite, scratch.join(job.to_string()), self.programs)?;
            loop {
                let Some(unit) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) else { return Ok(()) };
                let wanted = self.check.then(|| lists.passing.unit(unit)).flatten();
                let run = unit::run(unit, &copy, job, self.limits, wanted)?;
                print_line(unit, &run, lists);
                if let Ok(mut done) = done.lock() {
                    done.insert(unit.clone(), run);
                }
            }
        };
        let outcome = thread::scope(|scope| {
            let handles: Vec<_> = (0..jobs).map(|job| scope.spawn(move || work(job))).collect();
            let join = |handle: thread::ScopedJoinHandle<'_, Result<()>>| {
                handle.join().unwrap_or_else(|_| bail!("a job panicked"))
            };
            handles.into_iter().map(join).collect::<Result<Vec<()>>>()
        });
        let _ = fs::remove_dir(&scratch);
        outcome?;
        done.into_inner().ok().context("a job panicked")
    }
}

/// Runs the units again that lack a listed test, and takes for each name the better of both runs. Returns the names
/// that passed only in the second.
fn retry(bench: &Bench<'_>, lists: &Lists, runs: &mut BTreeMap<String, Run>) -> Result<Vec<String>> {
    let lacking = |runs: &BTreeMap<String, Run>| -> BTreeMap<String, Counts> {
        let missing = runs.iter().map(|(unit, run)| (unit.clone(), lists.passing.missing(unit, &run.outcome.passed)));
        missing.filter(|(_, missing)| !missing.is_empty()).collect()
    };
    let first = lacking(runs);
    if first.is_empty() {
        return Ok(Vec::new());
    }
    println!("running again: {}", first.keys().cloned().collect::<Vec<_>>().join(" "));
    let again = bench.run_all(&first.keys().cloned().collect::<Vec<_>>(), lists)?;
    for (unit, second) in again {
        if let Some(run) = runs.get_mut(&unit) {
            for (name, count) in second.outcome.passed {
                let best = run.outcome.passed.entry(name).or_default();
                *best = count.max(*best);
            }
        }
    }
    let left = lacking(runs);
    let recovered = first.iter().flat_map(|(unit, names)| names.keys().map(move |name| (unit, name)));
    let flaky = recovered.filter(|(unit, name)| !left.get(*unit).is_some_and(|left| left.contains_key(*name)));
    Ok(flaky.map(|(unit, name)| format!("{unit}: {name}")).collect())
}

/// The end of `--check`: how many of the listed tests passed and failed.
fn verdict(runs: &BTreeMap<String, Run>, lists: &Lists, flakes: &[String]) -> (u32, u32) {
    for flake in flakes {
        println!("FLAKY (passed when run again): {flake}");
    }
    let mut broken = 0;
    for (unit, run) in runs {
        for (name, count) in lists.passing.missing(unit, &run.outcome.passed) {
            println!(
                "NO LONGER PASSES: {unit}: {name}{}",
                if count > 1 { format!(" (x{count})") } else { String::new() }
            );
            broken += count;
        }
    }
    let listed: u32 = runs.keys().map(|unit| lists.passing.total(unit)).sum();
    println!("{} of {listed} listed tests passed", listed - broken);
    (listed - broken, broken)
}

/// The reference tests that did not pass and are not listed as differences.
fn shortfall(unit: &str, run: &Run, lists: &Lists) -> Counts {
    let mut missing = lists.reference.missing(unit, &run.outcome.passed);
    missing.retain(|name, _| lists.differences.reason(unit, name).is_none());
    missing
}

/// The number of tests of a unit: those that a real server passes, or what was seen where that is not known.
fn total(unit: &str, run: &Run, lists: &Lists) -> u32 {
    let failed = u32::try_from(run.outcome.failed.len()).unwrap_or(u32::MAX);
    match lists.reference.total(unit) {
        0 => run.outcome.passes() + failed,
        known => known.max(run.outcome.passes()),
    }
}

fn totals(runs: &BTreeMap<String, Run>, lists: &Lists) -> (u32, u32) {
    runs.iter()
        .fold((0, 0), |(passes, all), (unit, run)| (passes + run.outcome.passes(), all + total(unit, run, lists)))
}

fn print_line(unit: &str, run: &Run, lists: &Lists) {
    let (passes, total) = (run.outcome.passes(), total(unit, run, lists));
    let end = match (run.end, &run.outcome.exception, run.outcome.finished) {
        (End::Satisfied, ..) => "  all that is listed",
        (End::TimedOut, ..) => "  TIME OUT",
        (End::Ended, Some(_), _) => "  EXCEPTION",
        (End::Ended, None, false) => "  ENDED EARLY",
        _ => "",
    };
    println!("{:9} {unit:44} {:6.1} s{end}", format!("{passes}/{total}"), run.elapsed.as_secs_f32());
}

/// Prints what went wrong; with `check` only where a listed test is missing.
fn report_failures(runs: &BTreeMap<String, Run>, lists: &Lists, check: bool) {
    let of_interest = |unit: &str, run: &Run| !check || !lists.passing.missing(unit, &run.outcome.passed).is_empty();
    for (unit, run) in runs.iter().filter(|(unit, run)| of_interest(unit, run)) {
        if let Some(exception) = &run.outcome.exception {
            println!("{unit}: exception: {exception}");
        }
        for failure in &run.outcome.failed {
            let first_lines = failure.report.lines().take(3).collect::<Vec<_>>().join(" | ");
            println!("{unit}: failed: {first_lines}");
        }
        for (name, count) in &run.outcome.passed {
            if *count > 0 && lists.differences.reason(unit, name).is_some() {
                println!("{unit}: passes although differences.toml says that it cannot: {name}");
            }
        }
    }
}

fn to_json(runs: &BTreeMap<String, Run>, lists: &Lists) -> serde_json::Value {
    let units = runs.iter().map(|(unit, run)| {
        let failed: Vec<_> = run.outcome.failed.iter().map(|f| json!({"test": f.test, "report": f.report})).collect();
        let value = json!({
            "passed": run.outcome.passes(), "total": total(unit, run, lists), "skipped": run.outcome.skipped,
            "seconds": run.elapsed.as_secs_f64(), "timed_out": run.end == End::TimedOut, "finished": run.outcome.finished,
            "exception": run.outcome.exception, "ok": run.outcome.passed, "failed": failed,
            "missing": shortfall(unit, run, lists),
        });
        (unit.clone(), value)
    });
    let (passed, total) = totals(runs, lists);
    json!({"suite": fetch::VERSION, "passed": passed, "total": total, "units": units.collect::<serde_json::Map<_, _>>()})
}
