//! A user: passwords and permissions.

use super::rule::{Grant, PasswordHash, Rule, RuleError, RuleFault, hash};
use super::selector::Selector;
use crate::command::CommandTable;
use crate::config::{Config, Level};
use std::sync::Arc;

/// What decides about the meaning of rules.
#[derive(Clone, Copy)]
pub struct RuleSet<'a> {
    /// The commands there are.
    pub commands: &'a CommandTable,
    /// The version that is followed.
    pub level: Level,
    /// Whether new users may use all channels.
    pub all_channels: bool,
}

impl<'a> RuleSet<'a> {
    /// What the configuration says.
    pub fn new(commands: &'a CommandTable, config: &Config) -> RuleSet<'a> {
        let all_channels = config.acl_pubsub_default == crate::config::AclPubsubDefault::AllChannels;
        RuleSet { commands, level: config.compatibility_level, all_channels }
    }
}

/// What a user may do. Changing it means making another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    name: Arc<[u8]>,
    enabled: bool,
    no_password: bool,
    /// Whether payloads are to be checked, if anybody has said.
    sanitize: Option<bool>,
    passwords: Vec<PasswordHash>,
    /// The first is the user's own.
    selectors: Vec<Selector>,
    unrestricted: bool,
}

impl User {
    /// A user that may do nothing.
    pub fn new(name: &[u8], set: &RuleSet<'_>) -> User {
        User {
            name: name.into(),
            enabled: false,
            no_password: false,
            sanitize: set.level.sanitizes_new_users().then_some(true),
            passwords: Vec::new(),
            selectors: vec![Selector::new(set.all_channels)],
            unrestricted: false,
        }
    }

    /// The default user as it is when nothing is said about it: it may do everything, without a password.
    pub fn default_user(level: Level) -> User {
        User {
            name: b"default".as_slice().into(),
            enabled: true,
            no_password: true,
            sanitize: level.sanitizes_new_users().then_some(true),
            passwords: Vec::new(),
            selectors: vec![Selector::all()],
            unrestricted: true,
        }
    }

    /// The name.
    pub fn name(&self) -> &Arc<[u8]> {
        &self.name
    }
    /// Whether one can log in as this user.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }
    /// Whether any password will do.
    pub fn needs_no_password(&self) -> bool {
        self.no_password
    }
    /// Whether connections that have not logged in are this user's.
    pub fn is_open(&self) -> bool {
        self.enabled && self.no_password
    }
    /// Whether it may do everything.
    #[inline]
    pub fn is_unrestricted(&self) -> bool {
        self.unrestricted
    }
    /// Whether payloads that it restores are to be checked, if anybody has said.
    pub(crate) fn sanitize(&self) -> Option<bool> {
        self.sanitize
    }
    pub(super) fn passwords(&self) -> &[PasswordHash] {
        &self.passwords
    }
    /// The permissions: the user's own first.
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Whether the password lets one in.
    pub fn accepts(&self, password: &[u8]) -> bool {
        if !self.enabled {
            return false;
        }
        if self.no_password {
            return true;
        }
        let given = hash(password);
        // Which password it was shall not be told by the time this takes.
        self.passwords.iter().fold(false, |found, known| found | is_same(known, &given))
    }

    /// Replaces the passwords by this one; an empty one stands for none.
    pub fn set_only_password(&mut self, password: &[u8]) {
        self.no_password = password.is_empty();
        self.passwords.clear();
        if !password.is_empty() {
            self.passwords.push(hash(password));
        }
    }

    /// Applies rules, one selector in each at most.
    ///
    /// # Errors
    /// The first rule that is refused; what came before is applied.
    pub fn apply_all(&mut self, rules: &[Vec<u8>], set: &RuleSet<'_>) -> Result<(), RuleError> {
        rules.iter().try_for_each(|rule| self.apply(rule, set).map_err(|fault| RuleError::Rule(rule.clone(), fault)))
    }

    /// Applies a rule.
    ///
    /// # Errors
    /// Why it is refused; then it has changed nothing.
    pub fn apply(&mut self, rule: &[u8], set: &RuleSet<'_>) -> Result<(), RuleFault> {
        match Rule::parse(rule, set.level.has_database_rules())? {
            Rule::Nothing => {}
            Rule::Enable(on) => self.enabled = on,
            Rule::Sanitize(on) => self.sanitize = Some(on),
            Rule::NoPassword => self.set_only_password(b""),
            Rule::ResetPasswords => {
                self.no_password = false;
                self.passwords.clear();
            }
            Rule::AddPassword(hash) => {
                self.no_password = false;
                if !self.passwords.contains(&hash) {
                    self.passwords.push(hash);
                }
            }
            Rule::RemovePassword(hash) => {
                let place = self.passwords.iter().position(|known| *known == hash);
                self.passwords.remove(place.ok_or(RuleFault::NoSuchPassword)?);
            }
            Rule::AddSelector(words) => {
                let mut selector = Selector::new(set.all_channels);
                for word in &words {
                    selector.apply(Grant::parse(word, set.level.has_database_rules())?, set)?;
                }
                self.selectors.push(selector);
            }
            Rule::ClearSelectors => self.selectors.truncate(1),
            Rule::Reset => {
                let name = self.name.clone();
                *self = User { name, sanitize: Some(true), ..User::new(b"", set) };
            }
            Rule::Grant(grant) => {
                if let Some(own) = self.selectors.first_mut() {
                    own.apply(grant, set)?;
                }
            }
        }
        self.unrestricted = self.selectors.iter().any(Selector::is_unrestricted);
        Ok(())
    }

    /// The channels that may be used, by any selector; `None`: all.
    pub(super) fn channels(&self) -> Option<Vec<&[u8]>> {
        let mut all = Vec::new();
        for selector in &self.selectors {
            all.extend(selector.channels.as_ref()?.iter().map(|pattern| &**pattern));
        }
        Some(all)
    }

    /// Whether it may use every channel that `other` may, going by the names of patterns.
    pub fn keeps_channels_of(&self, other: &User) -> bool {
        match (self.channels(), other.channels()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mine), Some(others)) => others.iter().all(|pattern| mine.contains(pattern)),
        }
    }

    /// Whether a subscription may stand; of a pattern, whether it is named itself.
    pub fn may_subscribe(&self, channel: &[u8], is_pattern: bool) -> bool {
        let allows = |selector: &Selector| {
            selector.channels.as_ref().is_none_or(|all| super::selector::allows_channel(all, channel, is_pattern))
        };
        self.selectors.iter().any(allows)
    }
}

fn is_same(known: &PasswordHash, given: &PasswordHash) -> bool {
    let differences = known.iter().zip(given).fold(0, |found, (a, b)| found | (a ^ b));
    std::hint::black_box(differences) == 0
}
