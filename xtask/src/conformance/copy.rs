//! A private copy of the suite with our programs in the places where it looks for those of Redis.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The file that starts the suite: as `tests/test_helper.tcl` does, but what is printed reaches the log line by line.
/// Otherwise the lines that Tcl holds back are lost when a unit has to be ended.
pub(crate) const LAUNCHER: &str = "launch.tcl";
const LAUNCH: &str = "fconfigure stdout -buffering line\nsource tests/test_helper.tcl\n";

/// The programs that stand in for those of Redis.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    server: PathBuf,
    /// Options put before those of the suite; none for a server that is not ours.
    server_options: &'static str,
    /// Name behind `redis-`, and the program.
    tools: Vec<(&'static str, PathBuf)>,
}

impl Programs {
    /// Collects the programs: `server`; `cli`, else the `ochre-*` tools that lie beside the server, else Redis's own
    /// tools as far as this machine has them. Errs when the server cannot be run.
    pub(crate) fn find(server: &Path, cli: Option<&Path>) -> Result<Programs> {
        let server = workspace::find_program(server).with_context(|| format!("no program {}", server.display()))?;
        let version = workspace::capture(Command::new(&server).arg("--version"))?;
        let ours = version.to_ascii_lowercase().contains("ochre");
        let server_options = if ours { " --compatibility-level 7.0" } else { "" };
        let mut tools = Vec::new();
        for tool in ["cli", "benchmark", "check-aof", "check-rdb"] {
            let given = (tool == "cli").then_some(cli).flatten().map(Path::to_path_buf);
            let beside = server.with_file_name(format!("ochre-{tool}"));
            let peer = PathBuf::from(format!("redis-{tool}"));
            let found = given.or_else(|| (ours && beside.is_file()).then_some(beside)).unwrap_or(peer);
            if let Some(program) = workspace::find_program(&found) {
                tools.push((tool, program));
            }
        }
        Ok(Programs { server, server_options, tools })
    }

    /// The server as it was found.
    pub(crate) fn server(&self) -> &Path {
        &self.server
    }
}

/// A copy of the suite that one unit at a time runs in; removed on drop.
#[derive(Debug)]
pub(crate) struct Copy {
    folder: PathBuf,
}

impl Copy {
    /// Copies the suite at `suite` to `folder`, which must not exist. The path should be short: the suite puts unix
    /// sockets some 40 characters below it, and a socket's path may hold 107.
    pub(crate) fn new(suite: &Path, folder: PathBuf, programs: &Programs) -> Result<Copy> {
        let copy = Copy { folder };
        let src = copy.folder.join("src");
        fs::create_dir_all(&src)?;
        copy_tree(&suite.join("tests"), &copy.folder.join("tests"))?;
        for scratch in ["tests/tmp", "tests/modules"] {
            fs::create_dir_all(copy.folder.join(scratch))?;
        }
        for read_only in ["utils", "redis.conf", "sentinel.conf", "src/commands", "src/help.h"] {
            symlink(suite.join(read_only), copy.folder.join(read_only))?;
        }
        fs::write(copy.folder.join(LAUNCHER), LAUNCH)?;
        // A test reads the program's name off the process title, so the program behind the wrapper bears it too.
        let program = src.join("program/redis-server");
        fs::create_dir_all(src.join("program"))?;
        symlink(&programs.server, &program)?;
        let server = src.join("redis-server");
        fs::write(&server, wrapper(&program, programs.server_options))?;
        fs::set_permissions(&server, fs::Permissions::from_mode(0o755))?;
        for (tool, program) in &programs.tools {
            symlink(program, src.join(format!("redis-{tool}")))?;
        }
        Ok(copy)
    }

    /// Where the suite is to be run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the certificates that units need over TLS, unless they are there. Errs where openssl is missing.
    pub(crate) fn certify(&self) -> Result<()> {
        if self.folder.join("tests/tls/ca.crt").is_file() {
            return Ok(());
        }
        // What it says of its progress is of no interest.
        let mut script = Command::new("sh");
        script.arg("utils/gen-test-certs.sh").current_dir(&self.folder).stdout(Stdio::null()).stderr(Stdio::null());
        let status = script.status().context("cannot start sh")?;
        ensure!(status.success(), "certificates cannot be made: {status}");
        Ok(())
    }

    /// Removes what an earlier unit left in the scratch folder.
    pub(crate) fn sweep(&self) -> Result<()> {
        let scratch = self.folder.join("tests/tmp");
        fs::remove_dir_all(&scratch)?;
        fs::create_dir_all(&scratch)?;
        Ok(())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("cannot remove {}: {error}", self.folder.display());
        }
    }
}

/// The script in the server's place. It puts `options` in front of those of the suite, where they cannot become a further
/// value of the last one. `exec` keeps the process id that the suite was given.
fn wrapper(program: &Path, options: &str) -> String {
    let program = program.display();
    format!("#!/bin/sh\nexec '{program}'{options} \"$@\"\n")
}

/// Copies a folder with all it holds, but for compiled-in modules, which only a separate suite needs.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "modules" {
                copy_tree(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
