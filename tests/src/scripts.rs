//! Runs the scripts under `clients/`, which use a server through foreign client libraries as an application would.
//!
//! The libraries are installed below cargo's target folder on first use, by the package client of their language.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{Server, workspace_target};

/// The versions that the scripts are written for.
const REDIS_PY: &str = "redis==6.4.0";
const PROMETHEUS_CLIENT: &str = "prometheus_client==0.23.1";
const IOREDIS: &str = "ioredis@5.11.1";
const NODE_REDIS: &str = "redis@6.3.1";

/// Runs `clients/redis_py.py` against the server. Errs, with the script's own message, when one of its checks fails,
/// or when Python or pip is missing.
pub fn redis_py(server: &Server) -> Result<()> {
    python("redis_py.py", &[port(server)])
}

/// Runs `clients/ioredis.js` against the server. Errs, with the script's own message, when one of its checks fails, or
/// when node or npm is missing.
pub fn ioredis(server: &Server) -> Result<()> {
    node("ioredis.js", &[port(server)])
}

/// Runs a script below `clients/` with libraries for Python: redis-py, and Prometheus's. Errs as [`redis_py`] does.
pub fn python(script: &str, arguments: &[String]) -> Result<()> {
    let library = workspace_target()?.join("clients/python");
    for (folder, package) in [("redis", REDIS_PY), ("prometheus_client", PROMETHEUS_CLIENT)] {
        let install = || {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--no-warn-script-location", "--target"])
                .arg(&library)
                .arg(package);
            run(&mut pip)
        };
        once(&library.join(folder), install)?;
    }
    let mut command = Command::new("python3");
    command.arg(script_path(script)).env("PYTHONPATH", &library).env("PYTHONDONTWRITEBYTECODE", "1");
    run(command.args(arguments))
}

/// Runs a script below `clients/` with libraries for node: ioredis and node-redis. Errs as [`ioredis`] does.
pub fn node(script: &str, arguments: &[String]) -> Result<()> {
    let library = workspace_target()?.join("clients/node");
    let install = || {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--loglevel", "error", "--prefix"]).arg(&library);
        run(npm.args([IOREDIS, NODE_REDIS]))
    };
    once(&library.join("node_modules/redis"), install)?;
    let mut command = Command::new("node");
    command.arg(script_path(script)).env("NODE_PATH", library.join("node_modules"));
    run(command.args(arguments))
}

/// Installs what is not at that place yet; of several tests and test programs one does, and the others wait for it.
fn once(place: &Path, install: impl FnOnce() -> Result<()>) -> Result<()> {
    let folder = place.ancestors().find(|folder| folder.ends_with("clients")).context("not below a folder clients")?;
    fs::create_dir_all(folder)?;
    let lock = fs::File::create(folder.join("lock"))?;
    lock.lock()?;
    if place.is_dir() { Ok(()) } else { install() }
}

/// Runs a command and returns what it wrote to standard output; errs with all its output unless it succeeds.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{name}: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

fn script_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn port(server: &Server) -> String {
    server.address().port().to_string()
}
