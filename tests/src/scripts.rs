//! Runs the scripts under `clients/`, which use a server through foreign client libraries as an application would.
//!
//! The libraries are installed below cargo's target folder on first use, by the package client of their language.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{Server, workspace_target};

/// The versions that the scripts are written for.
const REDIS_PY: &str = "redis==6.4.0";
const IOREDIS: &str = "ioredis@5.11.1";

/// Runs `clients/redis_py.py` against the server. Errs, with the script's own message, when one of its checks fails,
/// or when Python or pip is missing.
pub fn redis_py(server: &Server) -> Result<()> {
    let library = workspace_target()?.join("clients/python");
    if !library.join("redis").is_dir() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--no-warn-script-location", "--target"])
            .arg(&library)
            .arg(REDIS_PY);
        run(&mut pip)?;
    }
    let mut script = Command::new("python3");
    script.arg(script_path("redis_py.py")).env("PYTHONPATH", &library).env("PYTHONDONTWRITEBYTECODE", "1");
    run(with_port(&mut script, server))
}

/// Runs `clients/ioredis.js` against the server. Errs, with the script's own message, when one of its checks fails, or
/// when node or npm is missing.
pub fn ioredis(server: &Server) -> Result<()> {
    let library = workspace_target()?.join("clients/node");
    if !library.join("node_modules/ioredis").is_dir() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save", "--loglevel", "error", "--prefix"])
            .arg(&library)
            .arg(IOREDIS);
        run(&mut npm)?;
    }
    let mut script = Command::new("node");
    script.arg(script_path("ioredis.js")).env("NODE_PATH", library.join("node_modules"));
    run(with_port(&mut script, server))
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

fn with_port<'a>(command: &'a mut Command, server: &Server) -> &'a mut Command {
    command.arg(server.address().port().to_string())
}
