//! The question whether a user may execute a command.

use super::permit::Permit;
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
    /// The client's certificate names no user that may log in.
    Certificate,
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
            Reason::Certificate => "tls-cert",
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

/// Whether it is sure, after a short look, that `user` may execute the command line. [`acl_check`] knows of more that is
/// allowed, and why something is not. If so, what else that tells.
#[inline]
pub fn surely_allowed(user: &User, command: &Command, argv: Argv<'_>) -> Option<Permit> {
    user.selectors().first()?.surely_allows(command, argv)
}

/// Whether a selector that allows the command line also lets the user read every key: what a command needs that finds
/// keys by a pattern.
pub fn may_read_all_keys(user: &User, command: &Command, argv: Argv<'_>, db: usize) -> bool {
    let suffices = |selector: &super::Selector| selector.reads_all_keys() && selector.check(command, argv, db).is_ok();
    user.is_unrestricted() || user.selectors().iter().any(suffices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::RuleSet;
    use crate::args::tests::with_argv;
    use crate::command::CommandTable;
    use crate::config::Level;

    /// Reason and argument of what is denied, on database 0.
    fn denied(rules: &[&str], line: &str) -> Option<(Reason, usize)> {
        let table = CommandTable::new(&crate::commands::all(), &[]).unwrap();
        let set = RuleSet { commands: &table, level: Level::Native, all_channels: false };
        let mut user = User::new(b"u", &set);
        rules.iter().for_each(|rule| user.apply(rule.as_bytes(), &set).unwrap());
        with_argv(line, |argv| {
            let command = table.resolve(argv).unwrap();
            acl_check(&user, command, argv, 0).err().map(|denial| (denial.reason, denial.argument))
        })
    }

    #[test]
    fn commands_keys_and_databases() {
        use Reason::{Command, Database, Key};
        let all: &[&str] = &["+@all", "~*", "&*"];
        for (rules, line, expected) in [
            (all, "get k", None),
            (&[], "get k", Some((Command, 0))),
            (&[], "auth p", None),
            (&["+get"], "get k", Some((Key, 1))),
            (&["+get", "~k*"], "get k1", None),
            (&["+get", "%W~k*"], "get k1", Some((Key, 1))),
            (&["+set", "%W~k*"], "set k1 v", None),
            (&["+set", "%W~k*"], "set k1 v get", Some((Key, 1))),
            (&["+set", "%RW~k*"], "set k1 v get", None),
            (&["+exists", "%R~k*"], "exists k1 k2 x", Some((Key, 3))),
            (&["+copy", "%R~a", "%W~b"], "copy a b", None),
            (&["+copy", "%R~a", "%W~b"], "copy b a", Some((Key, 1))),
            (&["+select|0"], "select 0", None),
            (&["+select|0"], "select 1", Some((Command, 0))),
            (&["+config|get"], "config get x", None),
            (&["+config|get"], "config set x y", Some((Command, 0))),
            (&["+@all", "-config|set"], "config set x y", Some((Command, 0))),
            (&["+@all", "~*", "db=1"], "get k", Some((Database, 0))),
            (&["+@all", "~*", "db=1"], "select 1", None),
            (&["+@all", "~*", "db=1"], "select 2", Some((Database, 1))),
            (&["+@all", "~*", "db=0"], "copy a b db 2", Some((Database, 4))),
            (&["+@all", "~*", "db=0"], "flushall", Some((Database, 0))),
            (&["+@all", "~*", "db=0"], "flushdb", None),
            (&["+@all", "~*", "db=1"], "swapdb 1 1", None),
            (&["+@all", "~*", "db=1"], "ping", None),
            (&["+get", "~a", "(+get ~b)"], "get b", None),
            (&["+get", "~a", "(+set ~b)"], "set a v", Some((Key, 1))),
            (&["+mget", "~a", "(+mget ~a ~b)"], "mget a b c", Some((Key, 3))),
        ] {
            assert_eq!(denied(rules, line), expected, "{rules:?} {line}");
        }
    }

    /// What was allowed for one key is allowed for every key that the permit covers.
    #[test]
    fn permits_cover_only_what_is_allowed() {
        let table = CommandTable::new(&crate::commands::all(), &[]).unwrap();
        let set = RuleSet { commands: &table, level: Level::Native, all_channels: false };
        let lines = ["get", "set", "bitfield", "del", "copy"].iter().flat_map(|name| {
            ["", "k", "ke", "key", "key1", "kex", "abcdefgh", "abcdefghi", "abcdefgx"].iter().flat_map(move |key| {
                ["", " v", " v get", " get u8 0", " set u8 0 1"].iter().map(move |rest| format!("{name} {key}{rest}"))
            })
        });
        let lines: Vec<String> = lines.collect();
        let mut covered = 0;
        for rules in [
            &["+@all", "~*"][..],
            &["+@all", "~k*"],
            &["+@all", "~key*", "%R~ke*"],
            &["+@all", "%W~key*", "~abcdefgh*"],
            &["+@all", "~abcdefghi*", "~k?y*", "~key"],
            &["+get", "+set", "~k*", "~a*", "~b*", "~c*", "~d*", "%R~*"],
            &["+@all", "-get", "~k*"],
        ] {
            let mut user = User::new(b"u", &set);
            rules.iter().for_each(|rule| user.apply(rule.as_bytes(), &set).unwrap());
            for first in &lines {
                let permit = with_argv(first, |argv| surely_allowed(&user, table.resolve(argv).unwrap(), argv));
                for line in &lines {
                    with_argv(line, |argv| {
                        let command = table.resolve(argv).unwrap();
                        let covers = permit.is_some_and(|permit| permit.covers(command, argv.len(), argv.head(1)));
                        covered += usize::from(covers);
                        assert!(!covers || acl_check(&user, command, argv, 0).is_ok(), "{rules:?}: {first}, {line}");
                    });
                }
            }
        }
        assert!(covered > 1000, "{covered}");
    }
}
