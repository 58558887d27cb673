//! `CONFIG GET`.

use super::directive::{Attributes, Origin};
use super::glob;
use super::registry::{Config, DIRECTIVES, lookup, names};

/// Every name and value that one of `patterns` asks for, aliases included, none twice.
///
/// What compatibility level 7.0 does not know is found only by its name.
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
        let hides_later = config.compatibility_level.hides_later_directives();
        let shown =
            |attributes: &Attributes| !attributes.hidden && (attributes.origin == Origin::Redis70 || !hides_later);
        for directive in DIRECTIVES.iter().filter(|directive| shown(&directive.attributes)) {
            // Redis 7.0 spells some names with underscores only, which are aliases since.
            let later_spelling = |name: &str| {
                hides_later && name.contains('-') && directive.attributes.aliases.contains(&&*name.replace('-', "_"))
            };
            let asked = |name: &&str| glob::matches(pattern, name.as_bytes(), true) && !later_spelling(name);
            for name in names(directive).filter(asked) {
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
