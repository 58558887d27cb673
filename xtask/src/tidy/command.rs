//! Goes over the files of the workspace and prints what the rules find.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::scan::Source;
use super::{edges, rules};
use crate::workspace;

/// The files that are longer than allowed, with the number of lines that each may have: `lines path`.
const LONG_FILES: &str = "xtask/long-files.txt";

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 5] = [".git", "target", "node_modules", "corpus", "artifacts"];

/// Checks the whole workspace. Prints every problem; errs when there is one.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root();
    let metadata = workspace::metadata()?;
    let mut problems = edges::check(&metadata);
    let roots = crate_roots(&metadata, &root);
    let mut lengths = BTreeMap::new();
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    for file in &files {
        let path = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().into_owned();
        let bytes = fs::read(file).with_context(|| format!("cannot read {path}"))?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let mut found = Vec::new();
        // The lock file names the registry of every package.
        if !path.ends_with("Cargo.lock") {
            found.extend(rules::check_text(&text));
        }
        if path.ends_with(".rs") {
            let source = Source::new(&text);
            found.extend(rules::check_source(&path, &text, &source));
            if roots.contains(&path) {
                found.extend(rules::check_crate_root(&path, &source));
            }
            if !rules::is_test_file(&path) {
                lengths.insert(path.clone(), source.lines_outside_tests());
            }
        }
        problems.extend(found.into_iter().map(|(line, text)| format!("{path}:{line}: {text}")));
    }
    let exempt = fs::read_to_string(root.join(LONG_FILES)).unwrap_or_default();
    problems.extend(check_lengths(&lengths, &exempt));
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("tidy found {} problems", problems.len());
    }
    println!("tidy: {} files, no problem", files.len());
    Ok(())
}

/// Compares lengths with the limit and the list of exemptions, which may only shrink: an entry must name the present
/// length of a file that is still too long.
fn check_lengths(lengths: &BTreeMap<String, usize>, exempt: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut allowed = BTreeMap::new();
    for line in exempt.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match line.split_once(' ').and_then(|(count, path)| Some((path.trim(), count.parse::<usize>().ok()?))) {
            Some((path, count)) => {
                allowed.insert(path, count);
            }
            None => problems.push(format!("{LONG_FILES}: not `lines path`: {line}")),
        }
    }
    for (path, &length) in lengths.iter().filter(|(_, length)| **length > rules::LINES_MAX) {
        match allowed.remove(path.as_str()) {
            None => problems.push(format!("{path}: {length} lines outside tests, {} are allowed", rules::LINES_MAX)),
            Some(most) if length > most => problems.push(format!("{path}: grew from {most} to {length} lines")),
            Some(most) if length < most => {
                problems.push(format!("{LONG_FILES}: {path} shrank to {length} lines: say so"))
            }
            Some(_) => {}
        }
    }
    problems.extend(allowed.keys().map(|path| format!("{LONG_FILES}: {path} needs no entry any more")));
    problems
}

/// The root files of libraries, binaries and examples.
fn crate_roots(metadata: &Value, root: &Path) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let targets = packages.iter().flat_map(|p| p["targets"].as_array().map(Vec::as_slice).unwrap_or_default());
    let built = targets.filter(|target| {
        let kinds = target["kind"].as_array().map(Vec::as_slice).unwrap_or_default();
        kinds.iter().any(|kind| ["lib", "bin", "example"].iter().any(|k| kind == k))
    });
    let files = built.filter_map(|target| Path::new(target["src_path"].as_str()?).strip_prefix(root).ok());
    files.map(|file| file.to_string_lossy().into_owned()).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if SKIPPED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(length: usize) -> BTreeMap<String, usize> {
        BTreeMap::from([("a/src/long.rs".to_owned(), length), ("a/src/short.rs".to_owned(), 10)])
    }

    #[test]
    fn long_files_fail_unless_listed() {
        assert!(check_lengths(&lengths(800), "").is_empty());
        assert_eq!(check_lengths(&lengths(801), "").len(), 1);
        assert!(check_lengths(&lengths(900), "# why\n900 a/src/long.rs\n").is_empty());
    }

    #[test]
    fn the_list_of_long_files_may_only_shrink() {
        assert_eq!(check_lengths(&lengths(901), "900 a/src/long.rs\n").len(), 1);
        assert_eq!(check_lengths(&lengths(850), "900 a/src/long.rs\n").len(), 1);
        assert_eq!(check_lengths(&lengths(700), "900 a/src/long.rs\n").len(), 1);
        assert_eq!(check_lengths(&lengths(700), "nonsense\n").len(), 1);
    }
}
