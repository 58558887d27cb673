//! The grammar of rules: what one word of `ACL SETUSER`, of a `user` line or of an ACL file says.

use super::pattern::Access;
use crate::config::Level;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// A password, hashed.
pub(super) type PasswordHash = [u8; 32];

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleFault {
    /// No such command or category.
    Unknown,
    /// It says nothing.
    Syntax,
    /// A key pattern beside one that matches all keys.
    AllKeys,
    /// Likewise of channels.
    AllChannels,
    /// A password to be removed that is not there.
    NoSuchPassword,
    /// Not a hash.
    Hash,
    /// A first argument of a subcommand.
    SubcommandArgument,
}

impl RuleFault {
    /// The text of the wire.
    pub fn text(self) -> &'static str {
        match self {
            RuleFault::Unknown => "Unknown command or category name in ACL",
            RuleFault::Syntax => "Syntax error",
            RuleFault::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. \
                 Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleFault::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleFault::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleFault::Hash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleFault::SubcommandArgument => "Allowing first-arg of a subcommand is not supported",
        }
    }
}

/// A rule that is refused, or a parenthesis that nothing closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// This rule, for that reason.
    Rule(Vec<u8>, RuleFault),
    /// The word that opens a selector.
    Unmatched(Vec<u8>),
}

/// What a rule says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rule<'a> {
    Nothing,
    Enable(bool),
    Sanitize(bool),
    NoPassword,
    ResetPasswords,
    AddPassword(PasswordHash),
    RemovePassword(PasswordHash),
    AddSelector(Vec<Vec<u8>>),
    ClearSelectors,
    Reset,
    Grant(Grant<'a>),
}

/// A rule that a selector may hold, and the user itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Grant<'a> {
    AllKeys,
    ResetKeys,
    Keys(Access, &'a [u8]),
    AllChannels,
    ResetChannels,
    Channels(&'a [u8]),
    AllCommands,
    NoCommands,
    Command { name: &'a [u8], allow: bool },
    Category { name: &'a [u8], allow: bool },
    AllDatabases,
    ResetDatabases,
    Databases(BTreeSet<usize>),
}

impl<'a> Rule<'a> {
    /// Reads a rule; `databases`: whether there are rules about databases.
    pub(super) fn parse(text: &'a [u8], databases: bool) -> Result<Rule<'a>, RuleFault> {
        let lower = text.to_ascii_lowercase();
        Ok(match lower.as_slice() {
            b"" => Rule::Nothing,
            b"on" => Rule::Enable(true),
            b"off" => Rule::Enable(false),
            b"sanitize-payload" => Rule::Sanitize(true),
            b"skip-sanitize-payload" => Rule::Sanitize(false),
            b"nopass" => Rule::NoPassword,
            b"resetpass" => Rule::ResetPasswords,
            b"clearselectors" => Rule::ClearSelectors,
            b"reset" => Rule::Reset,
            _ => match text {
                [b'>', password @ ..] => Rule::AddPassword(hash(password)),
                [b'#', digits @ ..] => Rule::AddPassword(parse_hash(digits)?),
                [b'<', password @ ..] => Rule::RemovePassword(hash(password)),
                [b'!', digits @ ..] => Rule::RemovePassword(parse_hash(digits)?),
                [b'(', inside @ .., b')'] => Rule::AddSelector(crate::config::words(inside).ok_or(RuleFault::Syntax)?),
                _ => Rule::Grant(Grant::parse(text, databases)?),
            },
        })
    }
}

impl<'a> Grant<'a> {
    /// Reads a rule that a selector may hold.
    pub(super) fn parse(text: &'a [u8], databases: bool) -> Result<Grant<'a>, RuleFault> {
        let lower = text.to_ascii_lowercase();
        Ok(match lower.as_slice() {
            b"allkeys" | b"~*" => Grant::AllKeys,
            b"resetkeys" => Grant::ResetKeys,
            b"allchannels" | b"&*" => Grant::AllChannels,
            b"resetchannels" => Grant::ResetChannels,
            b"allcommands" | b"+@all" => Grant::AllCommands,
            b"nocommands" | b"-@all" => Grant::NoCommands,
            b"alldbs" if databases => Grant::AllDatabases,
            b"resetdbs" if databases => Grant::ResetDatabases,
            _ => match text {
                [b'~', pattern @ ..] => Grant::Keys(Access::ALL, without_blanks(pattern)?),
                [b'%', rest @ ..] => parse_key_pattern(rest)?,
                [b'&', pattern @ ..] => Grant::Channels(without_blanks(pattern)?),
                [b'+', b'@', name @ ..] => Grant::Category { name, allow: true },
                [b'-', b'@', name @ ..] => Grant::Category { name, allow: false },
                [b'+', name @ ..] => Grant::Command { name, allow: true },
                [b'-', name @ ..] => Grant::Command { name, allow: false },
                _ if databases && lower.starts_with(b"db=") => parse_databases(lower.get(3..).unwrap_or_default())?,
                _ => return Err(RuleFault::Syntax),
            },
        })
    }
}

/// `%R~pattern`, behind the sign.
fn parse_key_pattern(rest: &[u8]) -> Result<Grant<'_>, RuleFault> {
    let end = rest.iter().position(|byte| *byte == b'~').unwrap_or(rest.len());
    let (letters, pattern) = rest.split_at_checked(end).unwrap_or_default();
    let mut access = Access::NONE;
    for letter in letters {
        let more = match letter.to_ascii_uppercase() {
            b'R' => Access::READ,
            b'W' => Access::WRITE,
            _ => return Err(RuleFault::Syntax),
        };
        if access.has(more) {
            return Err(RuleFault::Syntax);
        }
        access = access.with(more);
    }
    if access == Access::NONE {
        return Err(RuleFault::Syntax);
    }
    // A missing pattern is an empty one.
    Ok(Grant::Keys(access, without_blanks(pattern.get(1..).unwrap_or_default())?))
}

fn parse_databases(list: &[u8]) -> Result<Grant<'static>, RuleFault> {
    let number = |text: &[u8]| {
        let number = crate::args::parse_int(text).and_then(|number| i32::try_from(number).ok());
        number.and_then(|number| usize::try_from(number).ok()).ok_or(RuleFault::Syntax)
    };
    Ok(Grant::Databases(list.split(|byte| *byte == b',').map(number).collect::<Result<_, _>>()?))
}

/// A pattern, if it can stand in a list of rules.
fn without_blanks(pattern: &[u8]) -> Result<&[u8], RuleFault> {
    if has_blanks(pattern) { Err(RuleFault::Syntax) } else { Ok(pattern) }
}

fn has_blanks(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

/// Whether a user can be called so.
pub fn is_valid_name(name: &[u8]) -> bool {
    !has_blanks(name)
}

/// The hash of a password.
pub(super) fn hash(password: &[u8]) -> PasswordHash {
    Sha256::digest(password).into()
}

/// The hexadecimal digits of a hash.
pub(super) fn digits(hash: &PasswordHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_hash(digits: &[u8]) -> Result<PasswordHash, RuleFault> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let mut hash = PasswordHash::default();
    if digits.len() != hash.len().wrapping_mul(2) {
        return Err(RuleFault::Hash);
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return Err(RuleFault::Hash) };
        let (high, low) = (digit(high).ok_or(RuleFault::Hash)?, digit(low).ok_or(RuleFault::Hash)?);
        *byte = high << 4 | low;
    }
    Ok(hash)
}

/// Looks at rules before there are commands: whether they could be applied, if their commands exist and they remove
/// nothing that is missing.
///
/// # Errors
/// The first rule that could not.
pub fn check_grammar(words: &[Vec<u8>], level: Level) -> Result<(), RuleError> {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let databases = level.has_database_rules();
    for rule in merge_selectors(&words)? {
        let checked = Rule::parse(&rule, databases).and_then(|parsed| match parsed {
            Rule::AddSelector(inside) => inside.iter().try_for_each(|word| Grant::parse(word, databases).map(|_| ())),
            _ => Ok(()),
        });
        if let Err(fault) = checked {
            return Err(RuleError::Rule(rule, fault));
        }
    }
    Ok(())
}

/// Joins the words of each selector to one rule: a selector may be spread over several words.
///
/// # Errors
/// If the last selector is not closed.
pub(super) fn merge_selectors(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, RuleError> {
    let mut rules: Vec<Vec<u8>> = Vec::with_capacity(words.len());
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        open = match open.take() {
            None if word.starts_with(b"(") && !word.ends_with(b")") => Some((word, word.to_vec())),
            None => {
                rules.push(word.to_vec());
                None
            }
            Some((start, mut selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if word.ends_with(b")") {
                    rules.push(selector);
                    None
                } else {
                    Some((start, selector))
                }
            }
        };
    }
    match open {
        Some((start, _)) => Err(RuleError::Unmatched(start.to_vec())),
        None => Ok(rules),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(rule: &str) -> Option<RuleFault> {
        Rule::parse(rule.as_bytes(), true).err()
    }

    // Replies of Valkey 9.1 to ACL SETUSER.
    #[test]
    fn what_is_refused() {
        for rule in
            ["foo", "%~x", "%RR~x", "%RX~x", "%", "%~", "~a b", "&a b", "db=", "db=a", "db=1,,2", "db=-1", "(\"a)"]
        {
            assert_eq!(fault(rule), Some(RuleFault::Syntax), "{rule}");
        }
        for rule in ["#x", "!x", &format!("#{}", "A".repeat(64)), &format!("#{}", "a".repeat(65))] {
            assert_eq!(fault(rule), Some(RuleFault::Hash), "{rule}");
        }
        for rule in ["", "%R", "%rw~x", "~", "&", "+", "+@", "()", "db=1,2,1", "ALLDBS", "OnN "] {
            assert_eq!(fault(rule).is_some(), rule == "OnN ", "{rule}");
        }
        for rule in ["db=1", "alldbs", "resetdbs"] {
            assert_eq!(Rule::parse(rule.as_bytes(), false), Err(RuleFault::Syntax), "{rule}");
        }
    }

    #[test]
    fn a_hash_reads_back() {
        let hashed = hash(b"x");
        assert_eq!(digits(&hashed), "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
        assert_eq!(parse_hash(digits(&hashed).as_bytes()), Ok(hashed));
    }

    #[test]
    fn selectors_are_merged() {
        let merge = |line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            merge_selectors(&words).map(|rules| {
                rules.iter().map(|rule| String::from_utf8_lossy(rule).into_owned()).collect::<Vec<_>>().join(";")
            })
        };
        assert_eq!(merge("on (+get ~a) off"), Ok("on;(+get ~a);off".to_owned()));
        assert_eq!(merge("() (a ( b)"), Ok("();(a ( b)".to_owned()));
        assert_eq!(merge("on (a b"), Err(RuleError::Unmatched(b"(a".to_vec())));
        assert_eq!(merge("on  a)"), Ok("on;;a)".to_owned()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(rule in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = Rule::parse(&rule, true);
            let _ = merge_selectors(&[&rule, &rule]);
        }
    }
}
