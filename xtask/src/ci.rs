//! `cargo xtask ci`: every check, one after another, and a count at the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::{bench, conformance, generate, tidy, workspace};

/// What a step found; a step that is no set of tests counts as one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
}

const ONE_PASSED: Tally = Tally { passed: 1, failed: 0 };

/// Runs every step, also behind one that failed, and closes with a line `N passed, M failed`. Errs when M is not 0.
pub(crate) fn run() -> Result<()> {
    workspace::run(&mut Command::new(workspace::root().join(".ci/setup")))?;
    let nextest = has_nextest();
    let steps: [(&str, &dyn Fn() -> Result<Tally>); 9] = [
        ("format", &|| workspace::run(workspace::cargo().args(["fmt", "--all", "--check"])).map(|()| ONE_PASSED)),
        ("clippy", &|| {
            let clippy = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
            workspace::run(workspace::cargo().args(clippy)).map(|()| ONE_PASSED)
        }),
        ("tidy", &|| tidy::run().map(|()| ONE_PASSED)),
        ("generated files", &|| generate::check().map(|()| ONE_PASSED)),
        ("unit tests", &|| tests(unit_tests(nextest))),
        ("documentation tests", &|| tests(cargo(&["test", "--workspace", "--doc", "--quiet"]))),
        ("end-to-end tests", &|| end_to_end(nextest)),
        ("conformance", &|| conformance::check().map(|(passed, failed)| Tally { passed, failed })),
        ("instruction counts", &|| bench::check_counts().map(|()| ONE_PASSED)),
    ];
    let (mut sum, mut broken) = (Tally::default(), Vec::new());
    for (name, step) in steps {
        println!("\n=== {name}");
        let started = Instant::now();
        let tally = step().unwrap_or_else(|error| {
            println!("{error:#}");
            Tally { passed: 0, failed: 1 }
        });
        println!(
            "=== {name}: {} passed, {} failed in {:.0} s",
            tally.passed,
            tally.failed,
            started.elapsed().as_secs_f32()
        );
        sum = Tally { passed: sum.passed + tally.passed, failed: sum.failed + tally.failed };
        if tally.failed > 0 {
            broken.push(name);
        }
    }
    println!();
    if !broken.is_empty() {
        println!("failed: {}", broken.join(", "));
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed > 0 {
        bail!("not all checks passed");
    }
    Ok(())
}

/// All tests of the workspace but those that need a running server.
fn unit_tests(nextest: bool) -> Command {
    let chosen = ["--workspace", "--exclude", "ochre-tests", "--lib", "--bins", "--tests", "--examples"];
    let mut command =
        if nextest { cargo(&["nextest", "run", "--no-fail-fast"]) } else { cargo(&["test", "--no-fail-fast"]) };
    command.args(chosen);
    command
}

/// The tests that start the server, built as the unit tests are: with debug assertions.
fn end_to_end(nextest: bool) -> Result<Tally> {
    let server = workspace::build("ochre-server", &["--bin", "ochre-server"], "dev")?;
    let mut command =
        if nextest { cargo(&["nextest", "run", "--no-fail-fast"]) } else { cargo(&["test", "--no-fail-fast"]) };
    command.args(["--package", "ochre-tests"]).env("OCHRE_SERVER", server);
    tests(command)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments);
    command
}

fn has_nextest() -> bool {
    let mut command = cargo(&["nextest", "--version"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a test program with its output shown, and reads off it how many tests passed and failed. Errs when it fails
/// without naming a failed test.
fn tests(mut command: Command) -> Result<Tally> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("cannot start cargo")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let errors = thread::spawn(move || stderr.map(|stderr| show(stderr, std::io::stderr())).unwrap_or_default());
    let mut text = stdout.map(|stdout| show(stdout, std::io::stdout())).unwrap_or_default();
    text.push_str(&errors.join().unwrap_or_default());
    let status = child.wait()?;
    let tally = count(&text);
    ensure!(status.success() || tally.failed > 0, "the tests did not run to their end: {status}");
    Ok(tally)
}

/// Copies an output line by line and returns all of it.
fn show(from: impl Read, mut to: impl Write) -> String {
    let mut text = String::new();
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        // Nobody may be reading; the tests count all the same.
        let _ = to.write_all(&line);
        text.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    text
}

/// Sums the summary lines of both test runners: `test result: ok. 3 passed; 1 failed; …` and
/// `Summary [ 1.0s] 4 tests run: 3 passed (1 slow), 1 failed, 0 skipped`. What a test itself printed is indented.
fn count(text: &str) -> Tally {
    let mut tally = Tally::default();
    for line in text.lines() {
        let plain = line.starts_with("test result:") || line.trim_start().starts_with("Summary [");
        if plain {
            tally.passed += number_before(line, " passed");
            tally.failed += number_before(line, " failed") + number_before(line, " timed out");
        }
    }
    tally
}

fn number_before(line: &str, word: &str) -> u32 {
    let Some((before, _)) = line.split_once(word) else { return 0 };
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_are_counted() {
        let plain =
            "test result: ok. 9 passed; 0 failed; 0 ignored\ntest result: FAILED. 2 passed; 1 failed; 0 ignored\n";
        assert_eq!(count(plain), Tally { passed: 11, failed: 1 });
        let nextest = "     Summary [   8.134s] 16 tests run: 12 passed (2 slow), 3 failed, 1 timed out, 0 skipped\n\
                       \x20   test result: FAILED. 0 passed; 1 failed; 0 ignored\n";
        assert_eq!(count(nextest), Tally { passed: 12, failed: 4 });
    }
}
