//! The snapshot and the list of directives, both made from the tables.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use super::codec::*;
use super::compatibility::{Level, changed_defaults};
use super::directive::{Directive, Effect, Field, Origin, WORKS, kept, not_yet};
use super::tables::checks::*;

/// A `rename-command` line; the server applies it to the command table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RenameCommand {
    /// The command, as it was written.
    pub command: String,
    /// Its new name; empty to remove it.
    pub name: String,
    /// The line, for the report when the command does not exist.
    pub line: usize,
    /// The text of that line.
    pub text: String,
}

/// A `user` line; the server looks at it once there are commands.
#[derive(Clone, PartialEq, Eq)]
pub struct UserLine {
    /// The user's name.
    pub name: Vec<u8>,
    /// The words behind it.
    pub rules: Vec<Vec<u8>>,
}

impl std::fmt::Debug for UserLine {
    /// Without the rules, which may hold passwords.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "UserLine({})", String::from_utf8_lossy(&self.name))
    }
}

macro_rules! define {
    (=> $( $subject:literal { $( #[doc = $about:literal] $field:ident: $type:ty = $codec:expr, $attributes:expr; )* } )*) => {
        /// A snapshot of every directive, by its name with underscores.
        #[derive(Clone, PartialEq, Debug)]
        pub struct Config {
            /// The `rename-command` lines, in order.
            pub rename_commands: Vec<RenameCommand>,
            /// The `user` lines, in order.
            pub users: Vec<UserLine>,
            $( $( #[doc = $about] pub $field: $type, )* )*
        }

        impl Default for Config {
            /// Every directive at its default, at compatibility level `native`.
            fn default() -> Self {
                Self { rename_commands: Vec::new(), users: Vec::new(), $( $( $field: Codec::default(&$codec), )* )* }
            }
        }

        /// Every directive, by subject, in the order of the tables.
        pub static DIRECTIVES: &[Directive] = &[ $( $( Directive {
            name: {
                const BYTES: [u8; stringify!($field).len()] = dashed(stringify!($field));
                const NAME: &str = match std::str::from_utf8(&BYTES) {
                    Ok(name) => name,
                    Err(_) => "",
                };
                NAME
            },
            about: $about,
            subject: $subject,
            attributes: $attributes,
            slot: &Field { codec: $codec, get: |config| &config.$field, get_mut: |config| &mut config.$field },
        }, )* )* ];
    };
}

network_directives! {
    client_directives memory_directives expiry_directives logging_directives process_directives
    monitoring_directives security_directives persistence_directives replication_directives cluster_directives
    tls_directives scripting_directives encoding_directives define =>
}

impl Config {
    /// Every directive at the default it has at `level`.
    #[must_use]
    pub fn for_level(level: Level) -> Self {
        static LEVELS: LazyLock<[Config; 3]> = LazyLock::new(|| {
            [Level::V7_0, Level::V7_2, Level::Native].map(|level| {
                let mut config = Config { compatibility_level: level, ..Config::default() };
                for (name, value) in changed_defaults(level) {
                    let words: Vec<Vec<u8>> = value.split(' ').map(|word| word.as_bytes().to_vec()).collect();
                    if let Some((_, directive)) = lookup(name.as_bytes()) {
                        // The table is tested to parse.
                        let _ = directive.slot.assign(&mut config, &words, Mention::Command);
                    }
                }
                config
            })
        });
        let [v7_0, v7_2, native] = &*LEVELS;
        match level {
            Level::V7_0 => v7_0.clone(),
            Level::V7_2 => v7_2.clone(),
            Level::Native => native.clone(),
        }
    }

    /// How many workers run: `worker_threads`, or when it is 0, one for each core the process may use, at most 16.
    #[must_use]
    pub fn workers(&self) -> usize {
        match self.worker_threads {
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get().min(16)),
            threads => threads,
        }
    }
}

/// Finds a directive by name or alias, in any case. Returns the name under which it was found, too.
#[must_use]
pub fn lookup(name: &[u8]) -> Option<(&'static str, &'static Directive)> {
    static INDEX: LazyLock<HashMap<&'static str, &'static Directive>> = LazyLock::new(|| {
        DIRECTIVES.iter().flat_map(|directive| names(directive).map(move |name| (name, directive))).collect()
    });
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    INDEX.get_key_value(name.as_str()).map(|(name, directive)| (*name, *directive))
}

/// The name of a directive, and then its aliases.
pub(super) fn names(directive: &'static Directive) -> impl Iterator<Item = &'static str> {
    std::iter::once(directive.name).chain(directive.attributes.aliases.iter().copied())
}

/// A field's name as a directive's: `maxmemory_policy` is `maxmemory-policy`.
// A constant: what is out of bounds here does not compile.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn dashed<const N: usize>(field: &str) -> [u8; N] {
    let bytes = field.as_bytes();
    let mut out = [0; N];
    let mut at = 0;
    while at < N {
        out[at] = if bytes[at] == b'_' { b'-' } else { bytes[at] };
        at += 1;
    }
    out
}
