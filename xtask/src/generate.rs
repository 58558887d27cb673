//! `cargo xtask gen`: the files that are derived from the server's tables of commands and directives.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::workspace;

/// The files, each with the name under which the server prints it (`ochre-server --generate <name>`).
const FILES: [(&str, &str); 4] = [
    ("default.conf", "default-conf"),
    ("docs/commands.md", "commands-md"),
    ("docs/config.md", "config-md"),
    ("cli/src/commands.json", "cli-commands"),
];

/// Options of `cargo xtask gen`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write nothing; fail when a file is not what would be written
    #[arg(long)]
    check: bool,
}

/// Checks that the generated files are up to date; errs as [`run`] does.
pub(crate) fn check() -> Result<()> {
    run(&Options { check: true })
}

/// Brings the generated files up to date, or checks that they are. Errs when the server cannot be built or does not
/// know one of the names, and with `--check` when a file differs.
pub(crate) fn run(options: &Options) -> Result<()> {
    let server = workspace::build("ochre-server", &["--bin", "ochre-server"], "dev")?;
    let mut stale = Vec::new();
    for (path, name) in FILES {
        let wanted = workspace::capture(Command::new(&server).args(["--generate", name]))?;
        if wanted.trim().is_empty() {
            bail!("ochre-server --generate {name} printed nothing");
        }
        if !bring_up_to_date(&workspace::root().join(path), &wanted, options.check)? {
            stale.push(path);
        }
    }
    if !stale.is_empty() {
        bail!("not up to date: {}; run `cargo xtask gen`", stale.join(", "));
    }
    Ok(())
}

/// Whether the file holds `wanted` afterwards; with `check` it is left as it is.
fn bring_up_to_date(path: &Path, wanted: &str, check: bool) -> Result<bool> {
    let present = fs::read_to_string(path).unwrap_or_default();
    if present == wanted {
        return Ok(true);
    }
    if check {
        let line = present.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count() + 1;
        println!("{}:{line}: differs from what the server would generate", path.display());
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, wanted).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_is_seen_and_only_written_when_asked() {
        let folder = std::env::temp_dir().join(format!("ochre-gen-{}", std::process::id()));
        let file = folder.join("docs/a.md");
        assert!(!bring_up_to_date(&file, "text\n", true).unwrap());
        assert!(!file.exists());
        assert!(bring_up_to_date(&file, "text\n", false).unwrap());
        assert!(bring_up_to_date(&file, "text\n", true).unwrap());
        assert!(!bring_up_to_date(&file, "other\n", true).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "text\n");
        fs::remove_dir_all(&folder).unwrap();
    }
}
