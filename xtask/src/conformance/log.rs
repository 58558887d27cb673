//! Reads what the suite prints about one unit.

use std::collections::BTreeMap;

/// How often each test name occurred: the suite uses some names several times in a unit.
pub(crate) type Counts = BTreeMap<String, u32>;

/// The tests of `listed` that `passed` lacks, with how often they are missing.
pub(crate) fn missing(listed: &Counts, passed: &Counts) -> Counts {
    let lacking = listed
        .iter()
        .map(|(name, &count)| (name.clone(), count.saturating_sub(passed.get(name).copied().unwrap_or(0))));
    lacking.filter(|(_, count)| *count > 0).collect()
}

/// What a unit's log tells.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Tests that passed.
    pub(crate) passed: Counts,
    /// Tests that failed, and errors outside any test, with the suite's text.
    pub(crate) failed: Vec<Failure>,
    /// Tests that the suite itself left out.
    pub(crate) skipped: u32,
    /// The exception that ended the unit before its end.
    pub(crate) exception: Option<String>,
    /// Whether the suite got to the end of the unit.
    pub(crate) finished: bool,
}

/// One failed test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The test's name; none for an error between tests.
    pub(crate) test: Option<String>,
    /// The first lines of the suite's report.
    pub(crate) report: String,
}

impl Outcome {
    /// Reads a log. Bytes that are not UTF-8 must have been replaced before.
    pub(crate) fn parse(log: &str) -> Outcome {
        let mut outcome = Outcome::default();
        let mut report_open = false;
        for line in log.lines() {
            let line = strip_colours(line);
            // The summary at the end repeats the failures.
            if line.starts_with("!!! WARNING") || line.trim() == "The End" {
                break;
            }
            let Some((tag, text)) = tag(&line) else {
                if report_open && let Some(failure) = outcome.failed.last_mut() {
                    extend(&mut failure.report, &line);
                }
                continue;
            };
            report_open = false;
            match tag {
                "ok" => *outcome.passed.entry(without_elapsed(text).to_owned()).or_default() += 1,
                "err" => {
                    report_open = true;
                    outcome.failed.push(Failure { test: test_name(text).map(str::to_owned), report: text.to_owned() });
                }
                "skip" | "ignore" => outcome.skipped += 1,
                "exception" => outcome.exception = Some(text.to_owned()),
                "timeout" => outcome.exception = Some("no progress".to_owned()),
                _ if tag.ends_with(" done") => outcome.finished = true,
                _ => {}
            }
        }
        outcome
    }

    /// The number of tests that passed.
    pub(crate) fn passes(&self) -> u32 {
        self.passed.values().sum()
    }
}

/// Splits `[tag]: text`.
fn tag(line: &str) -> Option<(&str, &str)> {
    let (tag, text) = line.strip_prefix('[')?.split_once("]:")?;
    let known = ["ok", "err", "skip", "ignore", "exception", "TIMEOUT"].contains(&tag) || tag.ends_with(" done");
    known.then(|| (if tag == "TIMEOUT" { "timeout" } else { tag }, text.trim()))
}

/// Cuts the ` (12 ms)` that the suite puts behind a name.
fn without_elapsed(text: &str) -> &str {
    let Some((name, elapsed)) = text.rsplit_once(" (") else { return text };
    let digits = elapsed.strip_suffix(" ms)").is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if digits { name.trim_end() } else { text }
}

/// The name in `name in tests/unit/x.tcl`, as a failure's first line has it.
fn test_name(text: &str) -> Option<&str> {
    let (name, file) = text.rsplit_once(" in tests/")?;
    file.ends_with(".tcl").then(|| name.trim())
}

fn extend(report: &mut String, line: &str) {
    if report.lines().count() < 12 {
        report.push('\n');
        report.push_str(line);
    }
}

fn strip_colours(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, escape)) = rest.split_once("\x1b[") {
        out.push_str(before);
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "[ready]: 7\n[testing]: x\n[ok]: SET and GET (3 ms)\n[\x1b[0;32mok\x1b[0m]: SET and GET (1 ms)\n\
        [ok]: odd (name) (0 ms)\n[err]: LCS len in tests/unit/type/string.tcl\nExpected 'a' to be 'b'\nmore\n\
        [ignore]: big: large memory\n[skip]: y\n[err]: I/O error reading reply\n[1/1 done]: unit/type/string (2 seconds)\n\n\
        \x20                  The End\n!!! WARNING The following tests failed:\n[err]: again in tests/unit/type/string.tcl\n";

    #[test]
    fn a_log_is_read_with_repeated_names_and_reports() {
        let outcome = Outcome::parse(LOG);
        assert_eq!(outcome.passed, Counts::from([("SET and GET".into(), 2), ("odd (name)".into(), 1)]));
        assert_eq!(outcome.passes(), 3);
        assert_eq!(outcome.skipped, 2);
        assert!(outcome.finished);
        assert_eq!(outcome.exception, None);
        let names: Vec<_> = outcome.failed.iter().map(|f| f.test.as_deref()).collect();
        assert_eq!(names, [Some("LCS len"), None]);
        assert!(outcome.failed[0].report.contains("Expected 'a'"));
    }

    #[test]
    fn an_exception_leaves_the_unit_unfinished() {
        let outcome = Outcome::parse("[ok]: a (1 ms)\n[exception]: Executing test client: oops.\n");
        assert_eq!(outcome.exception.as_deref(), Some("Executing test client: oops."));
        assert!(!outcome.finished);
    }
}
