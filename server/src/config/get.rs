//! `CONFIG GET`.

use super::glob;
use super::registry::{Config, DIRECTIVES, lookup, names};

/// Every name and value that one of `patterns` asks for, aliases included, none twice.
///
/// A pattern without wildcards finds its directive in any case, also a hidden one, and is answered as it was written.
#[must_use]
pub fn get(config: &Config, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut add = |name: &[u8], value: Vec<u8>| {
        if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            found.push((name.to_vec(), value));
        }
    };
    for &pattern in patterns {
        if !glob::is_pattern(pattern) {
            if let Some((_, directive)) = lookup(pattern) {
                add(pattern, directive.value(config));
            }
            continue;
        }
        for directive in DIRECTIVES.iter().filter(|directive| !directive.attributes.hidden) {
            for name in names(directive).filter(|name| glob::matches(pattern, name.as_bytes(), true)) {
                add(name.as_bytes(), directive.value(config));
            }
        }
    }
    found
}

/// The value of one directive by name or alias, in any case.
#[must_use]
pub fn get_one(config: &Config, name: &str) -> Option<Vec<u8>> {
    lookup(name.as_bytes()).map(|(_, directive)| directive.value(config))
}
