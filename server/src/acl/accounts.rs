//! All users of the process.

use super::log::AclLog;
use super::rule::{RuleError, merge_selectors};
use super::user::{RuleSet, User};
use crate::config::Level;
use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// A user as sessions know it: it stays the same while what it may do changes.
pub struct Account {
    name: Arc<[u8]>,
    user: ArcSwap<User>,
    is_gone: AtomicBool,
}

impl Account {
    fn new(user: User) -> Arc<Account> {
        Arc::new(Account { name: user.name().clone(), user: ArcSwap::from_pointee(user), is_gone: false.into() })
    }
    /// Its name.
    pub fn name(&self) -> &Arc<[u8]> {
        &self.name
    }
    /// What it may do now.
    pub fn user(&self) -> Arc<User> {
        self.user.load_full()
    }
    /// Whether it was deleted: its connections are about to end.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(SeqCst)
    }
}

impl Default for Account {
    /// The default user of a process that has no other.
    fn default() -> Account {
        let user = User::default_user(Level::Native);
        Account { name: user.name().clone(), user: ArcSwap::from_pointee(user), is_gone: false.into() }
    }
}

/// A user that may do other things than before.
pub struct Changed {
    /// Who.
    pub account: Arc<Account>,
    /// What it could do before.
    pub before: Arc<User>,
    /// What it may do now.
    pub now: Arc<User>,
}

/// What came of reading all users anew.
#[derive(Default)]
pub struct Replaced {
    /// Those whose connections are to end.
    pub ended: Vec<Arc<Account>>,
    /// Those that go on.
    pub changed: Vec<Changed>,
}

/// All users. Whoever changes them bumps the gate epoch afterwards, and passes the barrier before it replies.
pub struct Accounts {
    by_name: RwLock<BTreeMap<Arc<[u8]>, Arc<Account>>>,
    default: Arc<Account>,
    /// One change at a time.
    turn: Mutex<()>,
    /// What was denied.
    pub log: AclLog,
}

impl Accounts {
    /// The default user alone, who may do everything.
    pub fn new(level: Level) -> Accounts {
        let default = Account::new(User::default_user(level));
        let by_name = BTreeMap::from([(default.name.clone(), default.clone())]);
        Accounts { by_name: RwLock::new(by_name), default, turn: Mutex::default(), log: AclLog::default() }
    }
    /// The user of connections that have not logged in.
    pub fn default_account(&self) -> &Arc<Account> {
        &self.default
    }
    /// Whether connections have to log in before they may do anything.
    pub fn requires_login(&self) -> bool {
        !self.default.user.load().is_open()
    }
    /// The user of that name.
    pub fn get(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.by_name.read().get(name).cloned()
    }
    /// All users, by name.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.by_name.read().values().cloned().collect()
    }
    /// The user of that name, if the password lets one in.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<Account>> {
        self.get(name).filter(|account| account.user.load().accepts(password))
    }

    /// Applies rules, spread over words, to the user of that name, or to a new one: all of them or none.
    ///
    /// # Errors
    /// The first rule that is refused.
    pub fn set_user(&self, name: &[u8], words: &[&[u8]], set: &RuleSet<'_>) -> Result<Option<Changed>, RuleError> {
        let rules = merge_selectors(words)?;
        let _turn = self.turn.lock();
        let known = self.get(name);
        let before = known.as_ref().map(|account| account.user());
        let mut user = before.as_deref().cloned().unwrap_or_else(|| User::new(name, set));
        user.apply_all(&rules, set)?;
        let Some((account, before)) = known.zip(before) else {
            self.insert(user);
            return Ok(None);
        };
        Ok(Some(change(account, before, user)))
    }

    /// Takes a user away; `None`: there was none of that name, or it is the default user.
    pub fn delete(&self, name: &[u8]) -> Option<Arc<Account>> {
        let _turn = self.turn.lock();
        if *self.default.name == *name {
            return None;
        }
        let account = self.by_name.write().remove(name)?;
        account.is_gone.store(true, SeqCst);
        Some(account)
    }

    /// Makes `users` all there are, beside the default user, who has everything where it is not among them. Those that
    /// existed before go on if `keeps` is set, and else their connections end.
    pub fn replace_all(&self, users: Vec<User>, level: Level, keeps: bool) -> Replaced {
        let _turn = self.turn.lock();
        let mut replaced = Replaced::default();
        let mut old = std::mem::take(&mut *self.by_name.write());
        old.remove(&self.default.name);
        let mut default = User::default_user(level);
        let mut now = BTreeMap::new();
        for user in users {
            if *user.name() == self.default.name {
                default = user;
                continue;
            }
            let account = match old.remove(user.name()) {
                Some(account) if keeps => {
                    let before = account.user();
                    replaced.changed.push(change(account.clone(), before, user));
                    account
                }
                gone => {
                    replaced.ended.extend(gone);
                    Account::new(user)
                }
            };
            now.insert(account.name.clone(), account);
        }
        replaced.changed.push(change(self.default.clone(), self.default.user(), default));
        now.insert(self.default.name.clone(), self.default.clone());
        replaced.ended.extend(old.into_values());
        replaced.ended.iter().for_each(|account| account.is_gone.store(true, SeqCst));
        *self.by_name.write() = now;
        replaced
    }

    /// Gives the default user this password alone; an empty one stands for none.
    pub fn set_default_password(&self, password: &[u8]) {
        let _turn = self.turn.lock();
        let mut user = User::clone(&self.default.user());
        user.set_only_password(password);
        self.default.user.store(Arc::new(user));
    }

    fn insert(&self, user: User) {
        let account = Account::new(user);
        self.by_name.write().insert(account.name.clone(), account);
    }
}

fn change(account: Arc<Account>, before: Arc<User>, now: User) -> Changed {
    let now = Arc::new(now);
    account.user.store(now.clone());
    Changed { account, before, now }
}
