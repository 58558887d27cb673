//! The options of SET, GETEX and MSETEX, and those of HSETEX and HGETEX.

use crate::args::{Argv, Cursor, parse_int};
use crate::error::{self, CommandError};
use ochre_store::hash::{FieldExpiry, GetFieldExpiry, KeyCondition, NamesCondition, SetFieldsOptions};
use ochre_store::string::{Condition, Expiry, GetExpiry, SetOptions};

/// A deadline as the client wrote it: its number is looked at only once the whole line has the right form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline<'a> {
    number: &'a [u8],
    unit_ms: i64,
    relative: bool,
}

impl<'a> Deadline<'a> {
    /// `number` seconds from now.
    pub(super) fn seconds(number: &'a [u8]) -> Deadline<'a> {
        Deadline { number, unit_ms: 1000, relative: true }
    }
    /// `number` milliseconds from now.
    pub(super) fn milliseconds(number: &'a [u8]) -> Deadline<'a> {
        Deadline { number, unit_ms: 1, relative: true }
    }
    /// The deadline in Unix milliseconds.
    ///
    /// # Errors
    /// No integer; or not above zero, or too large: an error that names `command`.
    pub(super) fn resolve(self, now_ms: i64, command: &str) -> Result<i64, CommandError> {
        self.resolve_from(1, now_ms, command)
    }
    /// The deadline of a field in Unix milliseconds.
    ///
    /// # Errors
    /// No integer; or below zero, or too large: an error that names `command`.
    fn resolve_for_field(self, now_ms: i64, command: &str) -> Result<i64, CommandError> {
        self.resolve_from(0, now_ms, command)
    }
    fn resolve_from(self, least: i64, now_ms: i64, command: &str) -> Result<i64, CommandError> {
        let number = parse_int(self.number).ok_or(error::NOT_INTEGER)?;
        let base = if self.relative { now_ms } else { 0 };
        let at = number.checked_mul(self.unit_ms).and_then(|ms| ms.checked_add(base));
        at.filter(|_| number >= least).ok_or_else(|| error::invalid_expire(command))
    }
}

/// What an option says about the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExpiryToken {
    Ex,
    Px,
    ExAt,
    PxAt,
    Keep,
    Persist,
}

/// Options about the deadline: only one kind of them may be given, though any number of times; the last counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ExpiryOption<'a> {
    chosen: Option<ExpiryToken>,
    number: &'a [u8],
}

const COMMON: [(&str, ExpiryToken); 4] =
    [("EX", ExpiryToken::Ex), ("PX", ExpiryToken::Px), ("EXAT", ExpiryToken::ExAt), ("PXAT", ExpiryToken::PxAt)];

impl<'a> ExpiryOption<'a> {
    /// Consumes one such option, if the next argument is one. `alone` is the one that takes no number.
    fn parse(&mut self, cursor: &mut Cursor<'a>, alone: (&str, ExpiryToken)) -> Result<bool, CommandError> {
        let token = match cursor.one_of(&COMMON) {
            Some(token) => {
                self.number = cursor.bytes()?;
                token
            }
            None if cursor.token(alone.0) => alone.1,
            None => return Ok(false),
        };
        match self.chosen.replace(token) {
            Some(before) if before != token => Err(error::SYNTAX),
            _ => Ok(true),
        }
    }

    fn deadline(self) -> Option<Deadline<'a>> {
        let (unit_ms, relative) = match self.chosen? {
            ExpiryToken::Ex => (1000, true),
            ExpiryToken::Px => (1, true),
            ExpiryToken::ExAt => (1000, false),
            ExpiryToken::PxAt => (1, false),
            ExpiryToken::Keep | ExpiryToken::Persist => return None,
        };
        Some(Deadline { number: self.number, unit_ms, relative })
    }

    fn resolve(self, now_ms: i64, command: &str) -> Result<Expiry, CommandError> {
        match self.deadline() {
            Some(deadline) => deadline.resolve(now_ms, command).map(Expiry::At),
            None if self.chosen == Some(ExpiryToken::Keep) => Ok(Expiry::Keep),
            None => Ok(Expiry::Clear),
        }
    }
}

/// The options of SET and MSETEX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SetArgs<'a> {
    condition: Condition<'a>,
    get: bool,
    expiry: ExpiryOption<'a>,
}

impl<'a> SetArgs<'a> {
    /// The options as the engine wants them.
    ///
    /// # Errors
    /// As [`Deadline::resolve`].
    pub(super) fn resolve(self, now_ms: i64, command: &str) -> Result<SetOptions<'a>, CommandError> {
        let expiry = self.expiry.resolve(now_ms, command)?;
        Ok(SetOptions { condition: self.condition, expiry, get: self.get })
    }

    fn parse_condition(&mut self, cursor: &mut Cursor<'a>) -> Result<bool, CommandError> {
        let condition = match cursor.one_of(&[("NX", Condition::Nx), ("XX", Condition::Xx)]) {
            Some(condition) => condition,
            None if cursor.token("IFEQ") => Condition::IfEq(cursor.bytes()?),
            None => return Ok(false),
        };
        let repeated = self.condition == condition && !matches!(condition, Condition::IfEq(_));
        if self.condition != Condition::Always && !repeated {
            return Err(error::SYNTAX);
        }
        self.condition = condition;
        Ok(true)
    }
}

const KEEP: (&str, ExpiryToken) = ("KEEPTTL", ExpiryToken::Keep);

/// The options of `SET key value …`.
///
/// # Errors
/// A syntax error: an unknown option, or two that exclude each other.
pub(super) fn parse_set(argv: Argv<'_>) -> Result<SetArgs<'_>, CommandError> {
    let mut cursor = argv.cursor(3);
    let mut args = SetArgs::default();
    while !cursor.is_done() {
        if cursor.token("GET") {
            args.get = true;
        } else if !args.parse_condition(&mut cursor)? && !args.expiry.parse(&mut cursor, KEEP)? {
            return Err(error::SYNTAX);
        }
    }
    Ok(args)
}

/// The options of MSETEX, from argument `from` on.
///
/// # Errors
/// A syntax error: an unknown option, or two that exclude each other.
pub(super) fn parse_msetex(argv: Argv<'_>, from: usize) -> Result<SetArgs<'_>, CommandError> {
    let mut cursor = argv.cursor(from);
    let mut args = SetArgs::default();
    while !cursor.is_done() {
        let condition = !cursor.clone().token("IFEQ") && args.parse_condition(&mut cursor)?;
        if !condition && !args.expiry.parse(&mut cursor, KEEP)? {
            return Err(error::SYNTAX);
        }
    }
    Ok(args)
}

/// The options of GETEX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GetexArgs<'a> {
    expiry: ExpiryOption<'a>,
}

impl GetexArgs<'_> {
    /// The options as the engine wants them.
    ///
    /// # Errors
    /// As [`Deadline::resolve`].
    pub(super) fn resolve(self, now_ms: i64, command: &str) -> Result<GetExpiry, CommandError> {
        match self.expiry.deadline() {
            Some(deadline) => deadline.resolve(now_ms, command).map(GetExpiry::At),
            None if self.expiry.chosen == Some(ExpiryToken::Persist) => Ok(GetExpiry::Persist),
            None => Ok(GetExpiry::Keep),
        }
    }
}

impl GetexArgs<'_> {
    /// The options of HGETEX as the engine wants them.
    ///
    /// # Errors
    /// A number that is none, is negative or too large.
    pub(super) fn resolve_for_fields(self, now_ms: i64, command: &str) -> Result<GetFieldExpiry, CommandError> {
        match self.expiry.deadline() {
            Some(deadline) => deadline.resolve_for_field(now_ms, command).map(GetFieldExpiry::At),
            None if self.expiry.chosen == Some(ExpiryToken::Persist) => Ok(GetFieldExpiry::Persist),
            None => Ok(GetFieldExpiry::Keep),
        }
    }
}

/// The options of HSETEX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HsetexArgs<'a> {
    /// The condition about the key.
    pub(super) key: KeyCondition,
    names: NamesCondition,
    expiry: ExpiryOption<'a>,
}

impl HsetexArgs<'_> {
    /// The options as the engine wants them.
    ///
    /// # Errors
    /// A number that is none, is negative or too large.
    pub(super) fn resolve(self, now_ms: i64, command: &str) -> Result<SetFieldsOptions, CommandError> {
        let expiry = match self.expiry.deadline() {
            Some(deadline) => FieldExpiry::At(deadline.resolve_for_field(now_ms, command)?),
            None if self.expiry.chosen == Some(ExpiryToken::Keep) => FieldExpiry::Keep,
            None => FieldExpiry::Clear,
        };
        Ok(SetFieldsOptions { key: self.key, names: self.names, expiry })
    }
}

/// The options of `HGETEX key …`, with which the line ends.
///
/// # Errors
/// A syntax error: an unknown option, or two that exclude each other.
pub(super) fn parse_hgetex(argv: Argv<'_>) -> Result<GetexArgs<'_>, CommandError> {
    parse_getex(argv)
}

/// The options of `HSETEX key …`, with which the line ends.
///
/// # Errors
/// A syntax error: an unknown option, or two that exclude each other.
pub(super) fn parse_hsetex(argv: Argv<'_>) -> Result<HsetexArgs<'_>, CommandError> {
    let mut cursor = argv.cursor(2);
    let mut args = HsetexArgs::default();
    while !cursor.is_done() {
        if let Some(key) = cursor.one_of(&[("NX", KeyCondition::Nx), ("XX", KeyCondition::Xx)]) {
            let before = std::mem::replace(&mut args.key, key);
            if before != KeyCondition::Always && before != key {
                return Err(error::SYNTAX);
            }
        } else if let Some(names) = cursor.one_of(&[("FNX", NamesCondition::AllNew), ("FXX", NamesCondition::AllOld)]) {
            let before = std::mem::replace(&mut args.names, names);
            if before != NamesCondition::Always && before != names {
                return Err(error::SYNTAX);
            }
        } else if !args.expiry.parse(&mut cursor, KEEP)? {
            return Err(error::SYNTAX);
        }
    }
    Ok(args)
}

/// The options of `GETEX key …`.
///
/// # Errors
/// A syntax error: an unknown option, or two that exclude each other.
pub(super) fn parse_getex(argv: Argv<'_>) -> Result<GetexArgs<'_>, CommandError> {
    let mut cursor = argv.cursor(2);
    let mut args = GetexArgs::default();
    while !cursor.is_done() {
        if !args.expiry.parse(&mut cursor, ("PERSIST", ExpiryToken::Persist))? {
            return Err(error::SYNTAX);
        }
    }
    Ok(args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    const NOW: i64 = 1_000_000;

    fn set(line: &str) -> Result<(String, Expiry, bool), String> {
        with_argv(line, |argv| {
            let options = parse_set(argv).and_then(|args| args.resolve(NOW, "set"));
            let options = options.map_err(|error| error.text().into_owned())?;
            Ok((format!("{:?}", options.condition), options.expiry, options.get))
        })
    }

    #[test]
    fn set_options_in_any_order_and_case() {
        assert_eq!(set("set k v"), Ok(("Always".into(), Expiry::Clear, false)));
        assert_eq!(set("set k v nX GET px 5"), Ok(("Nx".into(), Expiry::At(NOW + 5), true)));
        assert_eq!(set("set k v EX 5 get XX"), Ok(("Xx".into(), Expiry::At(NOW + 5000), true)));
        assert_eq!(set("set k v EXAT 5"), Ok(("Always".into(), Expiry::At(5000), false)));
        assert_eq!(set("set k v PXAT 5"), Ok(("Always".into(), Expiry::At(5), false)));
        assert_eq!(set("set k v IFEQ nx KEEPTTL"), Ok(("IfEq([110, 120])".into(), Expiry::Keep, false)));
    }

    // Replies of Redis 7.0.15, 8.2.3 and, about IFEQ, Valkey 9.1.2.
    #[test]
    fn an_option_may_be_repeated_but_not_contradicted() {
        assert_eq!(set("set k v ex 10 ex 20"), Ok(("Always".into(), Expiry::At(NOW + 20_000), false)));
        assert_eq!(set("set k v nx nx"), Ok(("Nx".into(), Expiry::Clear, false)));
        for line in [
            "set k v nx xx",
            "set k v ex 10 px 20",
            "set k v keepttl ex 1",
            "set k v ex",
            "set k v persist",
            "set k v ifeq",
            "set k v ifeq a ifeq a",
            "set k v ifeq a nx",
            "set k v xx ifeq a",
            "set k v ex abc foo",
        ] {
            assert_eq!(set(line), Err("ERR syntax error".to_owned()), "{line}");
        }
    }

    #[test]
    fn deadlines_are_checked_after_the_form() {
        let invalid = Err("ERR invalid expire time in 'set' command".to_owned());
        assert_eq!(set("set k v ex abc"), Err("ERR value is not an integer or out of range".to_owned()));
        assert_eq!(set("set k v ex 0"), invalid);
        assert_eq!(set("set k v ex -1"), invalid);
        assert_eq!(set("set k v ex 9223372036854775807"), invalid);
        assert_eq!(set("set k v px 9223372036854775807"), invalid);
        assert_eq!(set("set k v pxat 9223372036854775807"), Ok(("Always".into(), Expiry::At(i64::MAX), false)));
        assert_eq!(set("set k v exat 9223372036854776"), invalid);
    }

    #[test]
    fn getex_and_msetex_have_options_of_their_own() {
        let getex = |line: &str| {
            with_argv(line, |argv| {
                parse_getex(argv).and_then(|args| args.resolve(NOW, "getex")).map_err(|error| error.text().into_owned())
            })
        };
        assert_eq!(getex("getex k"), Ok(GetExpiry::Keep));
        assert_eq!(getex("getex k persist"), Ok(GetExpiry::Persist));
        assert_eq!(getex("getex k ex 1"), Ok(GetExpiry::At(NOW + 1000)));
        for line in ["getex k persist ex 1", "getex k nx", "getex k keepttl", "getex k ex"] {
            assert_eq!(getex(line), Err("ERR syntax error".to_owned()), "{line}");
        }
        for line in ["msetex 1 k v get", "msetex 1 k v ifeq a", "msetex 1 k v nx xx", "msetex 1 k v ex"] {
            assert!(with_argv(line, |argv| parse_msetex(argv, 4).is_err()), "{line}");
        }
        assert!(with_argv("msetex 1 k v nx keepttl", |argv| parse_msetex(argv, 4).is_ok()));
    }
}
