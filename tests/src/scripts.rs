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

/// What applications are built upon; it is installed apart from the clients, since it brings clients of its own choice.
const PYTHON_APPLICATIONS: &[&str] =
    &["celery==5.7.0", "kombu==5.7.0", "rq==3.0.0", "redlock-py==1.0.8", "limits==5.8.0", REDIS_PY];
const NODE_APPLICATIONS: &[&str] =
    &["bullmq@6.7.0", "redlock@4.2.0", "rate-limiter-flexible@11.4.0", "bottleneck@2.19.5", IOREDIS];

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
        once(&library.join(folder), || pip(&library, &[package]))?;
    }
    run_python(&library, script, arguments)
}

/// Runs a script below `clients/` with libraries for node: ioredis and node-redis. Errs as [`ioredis`] does.
pub fn node(script: &str, arguments: &[String]) -> Result<()> {
    let library = workspace_target()?.join("clients/node");
    once(&library.join("node_modules/redis"), || npm(&library, &[IOREDIS, NODE_REDIS]))?;
    run_node(&library, script, arguments)
}

/// Runs a script below `clients/` that uses the server as applications in Python do: through queues, locks and limits.
/// Errs as [`redis_py`] does.
pub fn python_application(script: &str, server: &Server) -> Result<()> {
    let library = workspace_target()?.join("clients/python-applications");
    once(&library.join("celery"), || pip(&library, PYTHON_APPLICATIONS))?;
    run_python(&library, script, &[port(server)])
}

/// As [`python_application`], for node.
pub fn node_application(script: &str, server: &Server) -> Result<()> {
    let library = workspace_target()?.join("clients/node-applications");
    once(&library.join("node_modules/bullmq"), || npm(&library, NODE_APPLICATIONS))?;
    run_node(&library, script, &[port(server)])
}

fn pip(library: &Path, packages: &[&str]) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-warn-script-location", "--target"]).arg(library);
    run(pip.args(packages))
}

fn npm(library: &Path, packages: &[&str]) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--loglevel", "error", "--prefix"]).arg(library);
    run(npm.args(packages))
}

fn run_python(library: &Path, script: &str, arguments: &[String]) -> Result<()> {
    let mut command = Command::new("python3");
    command.arg(script_path(script)).env("PYTHONPATH", library).env("PYTHONDONTWRITEBYTECODE", "1");
    run(command.args(arguments))
}

fn run_node(library: &Path, script: &str, arguments: &[String]) -> Result<()> {
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
