//! `CONFIG SET`: several directives or none.

use std::fmt;

use super::codec::{Mention, Permission};
use super::directive::{Directive, Effect};
use super::registry::{Config, lookup};

/// What decides about protected directives, and about those that may not change while data is loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Requester {
    /// Whether the client connects from this machine.
    pub local: bool,
    /// Whether the server is loading its data.
    pub loading: bool,
}

/// A new snapshot, and what must follow before it is published for good.
#[derive(Clone, Debug)]
pub struct Change {
    /// The new snapshot.
    pub config: Config,
    /// The distinct effects, in order, each with the first argument that asks for it. When one fails, the server
    /// applies those done so far again with the old snapshot, and answers [`SetError::failed`] with that argument.
    pub effects: Vec<(Effect, &'static str)>,
}

/// Why nothing was changed. Displayed, it is the reply without its `ERR `.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SetError {
    /// There is no such directive.
    Unknown(Vec<u8>),
    /// The argument was refused.
    Failed {
        /// The name of the directive.
        argument: Vec<u8>,
        /// The reason.
        reason: String,
    },
    /// The server is loading: the reply is its `-LOADING` error.
    Loading,
}

impl SetError {
    /// The error for an effect that failed; `argument` is what [`Change::effects`] names.
    #[must_use]
    pub fn failed(argument: &str, reason: impl Into<String>) -> Self {
        Self::Failed { argument: argument.as_bytes().to_vec(), reason: reason.into() }
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                let name = String::from_utf8_lossy(name);
                write!(out, "Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::Failed { argument, reason } => {
                let argument = String::from_utf8_lossy(argument);
                write!(out, "CONFIG SET failed (possibly related to argument '{argument}') - {reason}")
            }
            Self::Loading => out.write_str("Loading the dataset in memory"),
        }
    }
}

impl std::error::Error for SetError {}

/// Sets every one of `pairs` (name, value) in a copy of `current`. Errs with the first reason that Redis would give,
/// also when a name is given twice.
pub fn set(current: &Config, pairs: &[(&[u8], &[u8])], requester: Requester) -> Result<Change, SetError> {
    let mut found: Vec<(&'static str, &'static Directive)> = Vec::with_capacity(pairs.len());
    for &(name, _) in pairs {
        found.push(permitted(current, name, &found, requester)?);
    }
    let mut change = Change { config: current.clone(), effects: Vec::new() };
    for ((name, directive), &(_, value)) in found.iter().zip(pairs) {
        let words: Vec<Vec<u8>> = match value {
            value if !directive.multiple() => vec![value.to_vec()],
            [] => Vec::new(),
            value => value.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect(),
        };
        directive
            .assign(&mut change.config, &words, Mention::Command)
            .map_err(|reason| SetError::failed(name, reason))?;
        if let Some(effect) = directive.attributes.effect
            && !directive.same(current, &change.config)
            && !change.effects.iter().any(|(known, _)| *known == effect)
        {
            change.effects.push((effect, name));
        }
    }
    Ok(change)
}

/// Whether the value of a directive is to be kept out of the slow log and of MONITOR.
#[must_use]
pub fn is_sensitive(name: &[u8]) -> bool {
    lookup(name).is_some_and(|(_, directive)| directive.attributes.sensitive)
}

impl Permission {
    /// Whether a client may; `local` tells whether it connects from this machine.
    #[must_use]
    pub fn allows(self, local: bool) -> bool {
        match self {
            Self::Yes => true,
            Self::Local => local,
            Self::No => false,
        }
    }
}

fn permitted(
    current: &Config,
    name: &[u8],
    earlier: &[(&'static str, &'static Directive)],
    requester: Requester,
) -> Result<(&'static str, &'static Directive), SetError> {
    let refuse = |reason: &str| Err(SetError::Failed { argument: name.to_vec(), reason: reason.to_owned() });
    let Some((known, directive)) = lookup(name) else {
        return Err(SetError::Unknown(name.to_vec()));
    };
    let attributes = &directive.attributes;
    if attributes.immutable {
        return refuse("can't set immutable config");
    }
    if attributes.protected && !current.enable_protected_configs.allows(requester.local) {
        return refuse("can't set protected config");
    }
    if attributes.deny_loading && requester.loading {
        return Err(SetError::Loading);
    }
    if earlier.iter().any(|(name, _)| *name == known) {
        return refuse("duplicate parameter");
    }
    Ok((known, directive))
}
