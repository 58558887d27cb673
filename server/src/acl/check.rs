//! The question whether a user may execute a command.

use super::user::User;
use crate::args::Argv;
use crate::command::Command;

/// Why something was denied. The order is that in which one of several reasons is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The command is not allowed.
    Command,
    /// One of its keys is not.
    Key,
    /// The password was wrong, or there is no such user.
    Auth,
    /// One of its channels is not allowed.
    Channel,
    /// One of its databases is not.
    Database,
}

impl Reason {
    /// The name in ACL LOG.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Auth => "auth",
            Reason::Channel => "channel",
            Reason::Database => "database",
        }
    }
}

/// A command line that is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// The argument it is about; 0 where it is about none.
    pub argument: usize,
}

/// Whether `user` may execute the command line `argv`, name included, while the database `db` is selected.
///
/// # Errors
/// What is denied: of all selectors that deny it, the one that came furthest.
#[inline]
pub fn acl_check(user: &User, command: &Command, argv: Argv<'_>, db: usize) -> Result<(), Denial> {
    if user.is_unrestricted() {
        return Ok(());
    }
    let mut told = Denial { reason: Reason::Command, argument: 0 };
    for selector in user.selectors() {
        let Err(denial) = selector.check(command, argv, db) else { return Ok(()) };
        let is_further = denial.reason > told.reason || denial.reason == told.reason && denial.argument > told.argument;
        if is_further {
            told = denial;
        }
    }
    Err(told)
}

/// Whether a selector that allows the command line also lets the user read every key: what a command needs that finds
/// keys by a pattern.
pub fn may_read_all_keys(user: &User, command: &Command, argv: Argv<'_>, db: usize) -> bool {
    let suffices = |selector: &super::Selector| selector.reads_all_keys() && selector.check(command, argv, db).is_ok();
    user.is_unrestricted() || user.selectors().iter().any(suffices)
}
