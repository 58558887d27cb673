//! Instructions a request, counted by callgrind: a figure that a busy machine does not change.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// The committed figures.
const FILE: &str = "tests/bench/instructions.toml";

/// What is counted: a command and a pipeline depth, as the example `hot_path` takes them.
const ROWS: [(&str, &str); 4] = [("get", "1"), ("get", "16"), ("set", "1"), ("set", "16")];

/// Requests of the two runs whose difference is taken, so that starting up does not count.
const REQUESTS: [u64; 2] = [8_000, 24_000];

/// A figure may rise by this part before the check fails.
const RISE_MAX: f64 = 0.03;

/// What becomes of the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Print them.
    Show,
    /// Compare them with the committed ones.
    Check,
    /// Commit them.
    Update,
}

/// Counts, and shows, checks or writes the figures. Errs when one rose by more than 3 %, or when valgrind is missing.
pub(crate) fn run(mode: Mode) -> Result<()> {
    let example = workspace::build("ochre-server", &["--example", "hot_path"], workspace::OPTIMISED)?;
    let mut figures = BTreeMap::new();
    for (command, pipeline) in ROWS {
        let counted: Vec<u64> =
            REQUESTS.iter().map(|n| instructions(&example, command, pipeline, *n)).collect::<Result<_>>()?;
        let (Some(few), Some(many)) = (counted.first(), counted.last()) else { bail!("nothing counted") };
        let more = many.checked_sub(*few).context("more requests took fewer instructions")?;
        figures.insert(format!("{command} {pipeline}"), more as f64 / (REQUESTS[1] - REQUESTS[0]) as f64);
    }
    let path = workspace::root().join(FILE);
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if mode == Mode::Update {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        return Ok(fs::write(&path, to_text(&figures))?);
    }
    let (lines, risen) = compare(&figures, &committed)?;
    println!("{}", lines.join("\n"));
    if mode == Mode::Check && !risen.is_empty() {
        bail!("instructions a request rose by more than {:.0} %: {}", RISE_MAX * 100.0, risen.join(", "));
    }
    Ok(())
}

/// Runs the example under callgrind and returns how many instructions it executed.
fn instructions(example: &Path, command: &str, pipeline: &str, requests: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(example);
    valgrind.args([command, pipeline, &requests.to_string()]).stdin(Stdio::null());
    let output = valgrind.output().context("cannot start valgrind: apt-get install valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "hot_path {command} {pipeline} failed: {report}");
    collected(&report).with_context(|| format!("callgrind told no count: {report}"))
}

/// The number behind `Collected :`.
fn collected(report: &str) -> Option<u64> {
    let (_, after) = report.split_once("Collected :")?;
    after.split_whitespace().next()?.parse().ok()
}

/// One line a figure, and the names of those that rose too far or that have no committed figure.
fn compare(figures: &BTreeMap<String, f64>, committed: &str) -> Result<(Vec<String>, Vec<String>)> {
    let table: toml::Table = committed.parse().with_context(|| format!("in {FILE}"))?;
    let (mut lines, mut risen) = (Vec::new(), Vec::new());
    for (name, figure) in figures {
        let known = table.get(name).and_then(toml::Value::as_float);
        let change = known.map(|known| figure / known - 1.0);
        if change.is_none_or(|change| change > RISE_MAX) {
            risen.push(name.clone());
        }
        let note = match change {
            None => "no committed figure".to_owned(),
            Some(change) if change < -RISE_MAX => {
                format!("{:+.1} %: commit it with `cargo xtask bench --count --update`", change * 100.0)
            }
            Some(change) => format!("{:+.1} %", change * 100.0),
        };
        lines.push(format!("{name:8} {figure:9.1} instructions a request  {note}"));
    }
    Ok((lines, risen))
}

fn to_text(figures: &BTreeMap<String, f64>) -> String {
    let head = "# Instructions a request, by command and pipeline depth: `cargo xtask bench --count --update`.\n\
                # A figure may only rise in a commit that says why.\n";
    let lines = figures.iter().map(|(name, figure)| format!("\"{name}\" = {figure:.1}\n"));
    std::iter::once(head.to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(get: f64) -> BTreeMap<String, f64> {
        BTreeMap::from([("get 1".to_owned(), get)])
    }

    #[test]
    fn figures_read_back_as_written() {
        assert_eq!(compare(&figures(100.0), &to_text(&figures(100.0))).unwrap().1, Vec::<String>::new());
    }

    #[test]
    fn a_rise_beyond_the_bound_is_seen() {
        let committed = to_text(&figures(100.0));
        assert!(compare(&figures(102.9), &committed).unwrap().1.is_empty());
        assert_eq!(compare(&figures(103.2), &committed).unwrap().1, ["get 1"]);
        assert!(compare(&figures(50.0), &committed).unwrap().1.is_empty());
        assert_eq!(compare(&figures(50.0), "").unwrap().1, ["get 1"]);
    }

    #[test]
    fn the_count_is_read_off_callgrinds_report() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 123456\n==1==\n"), Some(123_456));
        assert_eq!(collected("==1== nothing"), None);
    }
}
