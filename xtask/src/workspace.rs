//! Where the workspace and its build products lie, and how other programs are run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The cargo profile of the binaries that the conformance suite drives and that instructions are counted of.
pub(crate) const OPTIMISED: &str = "bench-quick";

/// The root folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_path_buf)
}

/// Cargo's target folder: `CARGO_TARGET_DIR` when it is set, else `target` under the root.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A cargo command that runs in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Builds the binary or example `what` (`["--bin", "ochre-server"]`) of `package` in `profile` and returns the path of
/// the executable. Errs when cargo fails or when it produced no executable of that kind.
pub(crate) fn build(package: &str, what: &[&str], profile: &str) -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", package, "--profile", profile, "--message-format", "json-render-diagnostics"]);
    command.args(what);
    let messages = capture(&mut command)?;
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from))
        .next_back();
    executable.with_context(|| format!("cargo built no executable for {package} {}", what.join(" ")))
}

/// Whether `package` declares a target of this kind (`bin`, `example`) and name.
pub(crate) fn has_target(package: &str, kind: &str, name: &str) -> Result<bool> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    Ok(packages.iter().filter(|p| p["name"] == package).any(|p| {
        p["targets"].as_array().is_some_and(|targets| {
            targets
                .iter()
                .any(|t| t["name"] == name && t["kind"].as_array().is_some_and(|k| k.iter().any(|k| k == kind)))
        })
    }))
}

/// What `cargo metadata --no-deps` says of the workspace.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = capture(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    serde_json::from_str(&text).context("cargo metadata printed no JSON")
}

/// Runs `command` to its end with its output shown; errs unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown}: {status}");
    }
    Ok(())
}

/// Runs `command` to its end and returns what it wrote to standard output; errs unless it succeeds.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !output.status.success() {
        bail!("{shown}: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The full path of `program`, searched for on `PATH` when it holds no slash.
pub(crate) fn find_program(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.canonicalize().ok();
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
