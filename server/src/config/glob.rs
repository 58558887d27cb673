//! Patterns: of directive names, and of files to include.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Whether `text` matches `pattern`, in which `*`, `?`, `[a-z]`, `[^a-z]` and `\` are special. Case is ignored when
/// `fold` is set. Takes time in proportion to the product of the lengths, whatever the pattern.
pub(super) fn matches(pattern: &[u8], text: &[u8], fold: bool) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on after the last star when what follows it fails: a longer run for that star.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let step = match (pattern.split_first(), text.split_first()) {
            (None, None) => return true,
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                Some((rest, text))
            }
            (Some(_), Some((&byte, text_rest))) => one(pattern, byte, fold).map(|rest| (rest, text_rest)),
            _ => None,
        };
        match (step, retry) {
            (Some(next), _) => (pattern, text) = next,
            (None, Some((after_star, from))) => {
                let Some((_, shorter)) = from.split_first() else { return false };
                retry = Some((after_star, shorter));
                (pattern, text) = (after_star, shorter);
            }
            (None, None) => return false,
        }
    }
}

/// Whether a word is a pattern for `CONFIG GET` or a file name.
pub(super) fn is_pattern(word: &[u8]) -> bool {
    word.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The files that `pattern` names, sorted. Wildcards do not match a leading dot.
pub(super) fn files(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        found = found.iter().flat_map(|directory| children(directory, name)).collect();
    }
    found
}

fn children(directory: &Path, name: &OsStr) -> Vec<PathBuf> {
    if !is_pattern(name.as_bytes()) {
        let path = directory.join(name);
        return if path.symlink_metadata().is_ok() { vec![path] } else { Vec::new() };
    }
    let here = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let Ok(entries) = std::fs::read_dir(here) else { return Vec::new() };
    let hidden = name.as_bytes().starts_with(b".");
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name()))
        .filter(|entry| hidden || !entry.as_bytes().starts_with(b"."))
        .filter(|entry| matches(name.as_bytes(), entry.as_bytes(), false))
        .collect();
    names.sort();
    names.into_iter().map(|entry| directory.join(entry)).collect()
}

/// Matches one byte against what `pattern` begins with. Returns what is left of the pattern.
fn one(pattern: &[u8], byte: u8, fold: bool) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte, fold),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] if same(*literal, byte, fold) => Some(rest),
        _ => None,
    }
}

/// Matches `byte` against a class, of which the bracket has been read.
fn class(pattern: &[u8], byte: u8, fold: bool) -> Option<&[u8]> {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let lower = |byte: u8| if fold { byte.to_ascii_lowercase() } else { byte };
    let mut found = false;
    loop {
        rest = match rest {
            // A class that is not closed ends with the pattern.
            [] => break,
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [b'\\', literal, after @ ..] => {
                found = found || *literal == byte;
                after
            }
            [from, b'-', to, after @ ..] => {
                let (low, high) = (lower(*from.min(to)), lower(*from.max(to)));
                found = found || (low..=high).contains(&lower(byte));
                after
            }
            [literal, after @ ..] => {
                found = found || same(*literal, byte, fold);
                after
            }
        };
    }
    (found != negated).then_some(rest)
}

fn same(left: u8, right: u8, fold: bool) -> bool {
    if fold { left.eq_ignore_ascii_case(&right) } else { left == right }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("max*", "maxmemory", true),
            ("MAX*ory", "maxmemory", true),
            ("*of", "replicaof", true),
            ("*a*b*c", "xaybzc", true),
            ("*a*b*c", "xaybz", false),
            ("h?z", "hz", false),
            ("h[yz]", "hz", true),
            ("h[^a-y]", "hz", true),
            ("h[^a-z]", "hz", false),
            ("h\\*", "h*", true),
            ("h\\*", "hz", false),
            ("h[z", "hz", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), true), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_end_soon() {
        assert!(!matches(
            &b"a*".repeat(60),
            &b"a".repeat(400).into_iter().chain(*b"b").collect::<Vec<_>>()[..59],
            true
        ));
    }
}
