//! Fetches the suite: the upstream archive inside Debian's source package of redis.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The version whose suite is the judge.
pub(crate) const VERSION: &str = "7.0.15";

/// The folder that holds the unpacked suite; fetched through apt on first use and kept under the target folder.
/// Errs when apt offers another version, or cannot reach its mirrors.
pub(crate) fn suite() -> Result<PathBuf> {
    let cache = workspace::target_dir().join("conformance");
    let suite = cache.join(format!("redis-{VERSION}"));
    if suite.join("tests/test_helper.tcl").is_file() {
        return Ok(suite);
    }
    let archive = download(&cache)?;
    let unpacking = cache.join("unpacking");
    if unpacking.exists() {
        fs::remove_dir_all(&unpacking)?;
    }
    fs::create_dir_all(&unpacking)?;
    workspace::run(Command::new("tar").arg("xf").arg(&archive).arg("-C").arg(&unpacking))?;
    // The rename comes last: a folder under its final name is always complete.
    let inner = unpacking.join(format!("redis-{VERSION}"));
    fs::rename(&inner, &suite).with_context(|| format!("{} holds no {}", archive.display(), inner.display()))?;
    fs::remove_dir(&unpacking)?;
    Ok(suite)
}

/// Downloads the source package with apt's own client, from the mirrors that this machine is set up with. Lists and
/// caches of that run lie in a folder of ours, so that nothing of the system's apt is changed and no root is needed.
fn download(cache: &Path) -> Result<PathBuf> {
    let apt = cache.join("apt");
    for folder in ["lists/partial", "cache/archives/partial", "sources"] {
        fs::create_dir_all(apt.join(folder))?;
    }
    let mut written = 0;
    for (at, source) in system_sources()?.into_iter().enumerate() {
        let text = fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        let deb822 = source.extension().is_some_and(|e| e == "sources");
        let wanted = if deb822 { deb822_to_source(&text) } else { one_line_to_source(&text) };
        if !wanted.is_empty() {
            let name = format!("{at}.{}", if deb822 { "sources" } else { "list" });
            fs::write(apt.join("sources").join(name), wanted)?;
            written += 1;
        }
    }
    if written == 0 {
        bail!("apt on this machine has no package source that could offer the source package of redis {VERSION}");
    }
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.current_dir(cache).arg("-qq");
        for (key, folder) in
            [("Dir::Etc::sourceparts", "sources"), ("Dir::State::lists", "lists"), ("Dir::Cache", "cache")]
        {
            command.arg("-o").arg(format!("{key}={}", apt.join(folder).display()));
        }
        command.args(["-o", "Dir::Etc::sourcelist=-", "-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none"]);
        command
    };
    workspace::run(apt_get().arg("update"))?;
    workspace::run(apt_get().args(["source", "--download-only", "redis"]))?;
    let archive = cache.join(format!("redis_{VERSION}.orig.tar.gz"));
    if !archive.is_file() {
        bail!("apt offers another version of redis than {VERSION}: give an unpacked one with --suite");
    }
    Ok(archive)
}

/// The files that list this machine's package sources.
fn system_sources() -> Result<Vec<PathBuf>> {
    let etc = Path::new("/etc/apt");
    let mut found: Vec<PathBuf> = vec![etc.join("sources.list")];
    if let Ok(parts) = fs::read_dir(etc.join("sources.list.d")) {
        for part in parts {
            found.push(part?.path());
        }
    }
    found.retain(|file| file.is_file() && file.extension().is_some_and(|e| e == "list" || e == "sources"));
    found.sort();
    Ok(found)
}

/// The binary sources of a file in the one-line format, as source-package entries.
fn one_line_to_source(text: &str) -> String {
    let entries =
        text.lines().filter_map(|line| line.trim_start().strip_prefix("deb").filter(|r| r.starts_with([' ', '\t'])));
    entries.map(|rest| format!("deb-src{rest}\n")).collect()
}

/// The stanzas of a file in the deb822 format that name binary packages, as source-package stanzas.
fn deb822_to_source(text: &str) -> String {
    let mut out = String::new();
    for stanza in text.split("\n\n") {
        let mut types = None;
        let rest: Vec<&str> = stanza
            .lines()
            .filter(|line| match line.split_once(':') {
                Some((field, value)) if field.eq_ignore_ascii_case("types") => {
                    types = Some(value);
                    false
                }
                _ => !line.starts_with('#') && !line.trim().is_empty(),
            })
            .collect();
        if types.is_some_and(|types| types.split_whitespace().any(|t| t == "deb")) {
            out.push_str("Types: deb-src\n");
            out.push_str(&rest.join("\n"));
            out.push_str("\n\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_entries_become_source_entries() {
        let text = "# deb mirror a main\ndeb [signed-by=/k] mirror b main\ndeb-src mirror b main\n";
        assert_eq!(one_line_to_source(text), "deb-src [signed-by=/k] mirror b main\n");
    }

    #[test]
    fn stanzas_become_source_stanzas_and_source_stanzas_are_not_doubled() {
        let text = "Types: deb\n# note\nURIs: mirror\nSuites: stable\n\nTypes: deb-src\nURIs: mirror\n";
        assert_eq!(deb822_to_source(text), "Types: deb-src\nURIs: mirror\nSuites: stable\n\n");
    }
}
