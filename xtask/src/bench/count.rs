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
const ROWS: [(&str, u64); 7] =
    [("get", 1), ("get", 16), ("get-as-user", 16), ("set", 1), ("set", 16), ("set-as-user", 16), ("evalsha", 16)];

/// Batches of the two runs whose difference is taken, so that starting up does not count.
const BATCHES: [u64; 2] = [1_000, 7_000];

/// How often each of them is run. The least counts: what chance adds, such as a timer that was due, only adds.
const RUNS: usize = 2;

/// The function that calibrates the clock: it turns until a time is over, so collection is off while it runs.
const CALIBRATION: &str = "*ochre_server::clock::Ticks::new*";

/// The thread that plays the client, as callgrind numbers them; all others are counted.
const CLIENT_THREAD: &str = "thread: 1";

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
        let figure = request(&example, command, pipeline)?;
        figures.insert(format!("{command} {pipeline}"), figure);
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

/// Instructions of one request.
fn request(example: &Path, command: &str, pipeline: u64) -> Result<f64> {
    let mut least = [u64::MAX; 2];
    for _ in 0..RUNS {
        for (least, batches) in least.iter_mut().zip(BATCHES) {
            *least = instructions(example, command, pipeline, batches * pipeline)?.min(*least);
        }
    }
    let [few, many] = least;
    let more = many.checked_sub(few).context("more requests took fewer instructions")?;
    Ok(more as f64 / ((BATCHES[1] - BATCHES[0]) * pipeline) as f64)
}

/// Runs the example under callgrind and returns how many instructions its server executed.
fn instructions(example: &Path, command: &str, pipeline: u64, requests: u64) -> Result<u64> {
    let folder = workspace::target_dir().join("callgrind");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--separate-threads=yes"]);
    valgrind.arg(format!("--toggle-collect={CALIBRATION}")).arg("--collect-atstart=yes");
    valgrind.arg(format!("--callgrind-out-file={}", folder.join("out").display())).arg(example);
    valgrind.args([command, &pipeline.to_string(), &requests.to_string()]).stdin(Stdio::null());
    let output = valgrind.output().context("cannot start valgrind: apt-get install valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "hot_path {command} {pipeline} failed: {report}");
    let mut sum = 0;
    for file in fs::read_dir(&folder)? {
        let path = file?.path();
        sum += collected(&String::from_utf8_lossy(&fs::read(&path)?))
            .with_context(|| format!("callgrind told no count in {}", path.display()))?;
    }
    ensure!(sum > 0, "callgrind counted nothing: {report}");
    Ok(sum)
}

/// The number behind `totals:`; 0 for the client's thread, and for the file that callgrind leaves empty beside those of
/// the threads.
fn collected(profile: &str) -> Option<u64> {
    if profile.is_empty() || profile.lines().any(|line| line == CLIENT_THREAD) {
        return Some(0);
    }
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
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
        lines.push(format!("{name:14} {figure:9.1} instructions a request  {note}"));
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
    fn the_count_is_read_off_a_profile_and_not_for_the_client() {
        assert_eq!(collected("version: 1\nthread: 3\n\nevents: Ir\nfn=(1) f\n1 5\ntotals: 123456\n"), Some(123_456));
        assert_eq!(collected("version: 1\nthread: 1\n\ntotals: 5\n"), Some(0));
        assert_eq!(collected(""), Some(0));
        assert_eq!(collected("version: 1\nthread: 2\n"), None);
    }
}
