//! Users at start, and the file of users.

use super::accounts::{Accounts, Replaced};
use super::rule::{RuleError, RuleFault, is_valid_name, merge_selectors};
use super::user::{RuleSet, User};
use crate::config::{Config, UserLine};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::path::Path;

/// Why no users were read. Displayed, it is what the client or the log is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError(String);

impl std::fmt::Display for LoadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

impl Accounts {
    /// The users that the configuration names, in its lines or in a file.
    ///
    /// # Errors
    /// What is wrong with them, as the log is told.
    pub fn of_config(config: &Config, set: &RuleSet<'_>) -> Result<Accounts, LoadError> {
        let accounts = Accounts::new(set.level);
        accounts.set_default_password(&config.requirepass);
        let has_file = !config.aclfile.as_os_str().is_empty();
        if has_file && !config.users.is_empty() {
            return Err(LoadError(
                "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. \
                 This setup is very likely to lead to configuration errors and security holes, please define either an \
                 ACL file or declare users directly in your redis.conf, but not both."
                    .to_owned(),
            ));
        }
        for line in &config.users {
            accounts.add_configured(line, set)?;
        }
        if has_file {
            let aborting = |error| LoadError(format!("Aborting startup because of ACL errors: {error}"));
            load(&accounts, &config.aclfile, set).map_err(aborting)?;
        }
        Ok(accounts)
    }

    fn add_configured(&self, line: &UserLine, set: &RuleSet<'_>) -> Result<(), LoadError> {
        let name = String::from_utf8_lossy(&line.name);
        let words: Vec<&[u8]> =
            std::iter::once(b"reset".as_slice()).chain(line.rules.iter().map(Vec::as_slice)).collect();
        if !is_valid_name(&line.name) {
            return Err(LoadError("Spaces not allowed in ACL usernames".to_owned()));
        }
        self.set_user(&line.name, &words, set).map_err(|error| {
            let RuleError::Rule(rule, fault) = error else {
                return LoadError(format!("Unmatched parenthesis in a selector of the user named '{name}'"));
            };
            let rule = String::from_utf8_lossy(&rule);
            LoadError(format!("Error loading ACL rule '{rule}' for the user named '{name}': {}", fault.text()))
        })?;
        if self.get(&line.name).is_some_and(|account| !account.user().is_enabled()) {
            tracing::info!(
                "The user '{name}' is disabled (there is no 'on' modifier in the user description). Make sure this is not \
                 a configuration error."
            );
        }
        Ok(())
    }
}

/// Makes the users of a file all there are: all of them, or none.
///
/// # Errors
/// All that is wrong with the file.
pub fn load(accounts: &Accounts, path: &Path, set: &RuleSet<'_>) -> Result<Replaced, LoadError> {
    let text = std::fs::read(path).map_err(|error| {
        let reason = crate::config::reason(&error);
        LoadError(format!("Error loading ACLs, opening file '{}': {reason}", path.display()))
    })?;
    let users = parse(&text, path, set)?;
    Ok(accounts.replace_all(users, set.level, set.level.keeps_clients_of_loaded_users()))
}

/// Writes all users to a file, in one step.
///
/// # Errors
/// If the file cannot be written; the log is told too.
pub fn save(accounts: &Accounts, path: &Path, set: &RuleSet<'_>) -> io::Result<()> {
    let mut text = Vec::new();
    for account in accounts.all() {
        text.extend_from_slice(b"user ");
        text.extend_from_slice(&account.user().line(set));
        text.push(b'\n');
    }
    crate::config::replace_file(path, &text)
        .inspect_err(|error| tracing::warn!(%error, "cannot write the users to the ACL file"))
}

/// Reads the lines of a file: `user name rules…` each, or nothing.
fn parse(text: &[u8], path: &Path, set: &RuleSet<'_>) -> Result<Vec<User>, LoadError> {
    let mut users = Vec::new();
    let mut names = BTreeSet::new();
    let mut errors = String::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let place = format!("{}:{}", path.display(), index.saturating_add(1));
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [b"user", name, rules @ ..] = words.as_slice() else {
            let _ = write!(errors, "{place} should start with user keyword followed by the username. ");
            continue;
        };
        let shown = String::from_utf8_lossy(name);
        if !is_valid_name(name) {
            let _ = write!(errors, "'{place}: username '{shown}' contains invalid characters. ");
            continue;
        }
        if !names.insert(*name) {
            let number = index.saturating_add(1);
            let _ = write!(errors, "WARNING: Duplicate user '{shown}' found on line {number}. ");
            continue;
        }
        let Ok(rules) = merge_selectors(rules) else {
            let _ = write!(errors, "{place}: Unmatched parenthesis in selector definition.");
            continue;
        };
        users.push(read_user(name, &rules, &place, set, &mut errors));
    }
    if errors.is_empty() {
        return Ok(users);
    }
    errors.push_str("WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    Err(LoadError(errors))
}

fn read_user(name: &[u8], rules: &[Vec<u8>], place: &str, set: &RuleSet<'_>, errors: &mut String) -> User {
    let mut user = User::new(name, set);
    let mut is_first = true;
    for rule in rules {
        match user.apply(rule.trim_ascii(), set) {
            Ok(()) => {}
            // The name of a command is no secret.
            Err(RuleFault::Unknown) => {
                let (rule, reason) = (String::from_utf8_lossy(rule), RuleFault::Unknown.text());
                let _ = write!(errors, "{place}: Error in applying operation '{rule}': {reason}. ");
            }
            Err(fault) if is_first => {
                let _ = write!(errors, "{place}: {}. ", fault.text());
                is_first = false;
            }
            Err(_) => {}
        }
    }
    user
}
