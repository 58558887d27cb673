//! Access control lists: who may call what, on which keys, channels and databases.
//!
//! [`User`] is what a user may do, a value that never changes; [`Account`] is the user as others know it, and holds the
//! value in force. A session keeps the value that it has last seen, and looks for another only when the gate epoch has
//! moved: so that a check costs no lock and nothing that workers share. [`acl_check`] is the one question that everybody
//! asks, with a user, a command line and a database.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod accounts;
mod check;
mod command_set;
mod denied;
mod describe;
mod file;
mod log;
mod matcher;
mod pattern;
mod permit;
mod rule;
mod selector;
mod user;

pub use accounts::{Account, Accounts, Changed, Replaced};
pub use check::{Denial, Reason, acl_check, may_read_all_keys, surely_allowed};
pub use denied::log_denial;
pub(crate) use denied::{log_failed_certificate, log_failed_login};
pub use file::{LoadError, load, save};
pub use log::{AclLog, Context as LogContext, Entry as LogEntry};
pub use permit::Permit;
pub use rule::{RuleError, RuleFault, check_grammar, is_valid_name};
pub use selector::Selector;
pub use user::{RuleSet, User};
