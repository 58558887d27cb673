//! Where the keys of a command line are.

use super::{Begin, CommandSpec, Find, KeyFlags, KeySpec};
use crate::args::Argv;

/// An argument that is a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPosition {
    /// Index of the argument.
    pub index: usize,
    /// What happens to it.
    pub flags: KeyFlags,
}

/// Calls `found` for every key of `argv` (name included), by the key specifications of its command.
///
/// Returns false where the arguments make no sense: a count that is no number or exceeds the arguments.
#[inline]
pub fn command_keys(spec: &CommandSpec, argv: Argv<'_>, mut found: impl FnMut(KeyPosition)) -> bool {
    if let Some(all_keys) = spec.all_keys {
        all_keys(argv, &mut found);
        return true;
    }
    let mut valid = true;
    for keys in spec.keys {
        let Some(begin) = begin(keys.begin, argv) else { continue };
        let mut push = |index: usize| found(KeyPosition { index, flags: keys.flags });
        match keys.find {
            Find::Range { last, step, limit } => {
                let Some(last) = last_of_range(begin, last, limit, argv.len()) else {
                    valid = false;
                    continue;
                };
                let mut index = begin;
                while index <= last {
                    push(index);
                    index = index.saturating_add(usize::from(step.max(1)));
                }
            }
            Find::KeyNum { count, first, step } => {
                let number = argv.get(begin + usize::from(count)).and_then(parse_count);
                let first = begin + usize::from(first);
                let step = usize::from(step.max(1));
                let last = number.and_then(|number| number.checked_sub(1)?.checked_mul(step)?.checked_add(first));
                match last {
                    Some(last) if last < argv.len() => (first..=last).step_by(step).for_each(&mut push),
                    _ => valid = false,
                }
            }
            Find::Unknown => valid = false,
        }
    }
    if let Some(open_keys) = spec.open_keys {
        open_keys(argv, &mut found);
    }
    valid
}

/// The keys of `argv` (name included) with what happens to them there; nothing that only looks like a key.
///
/// None where the arguments make no sense.
pub fn keys_and_flags(spec: &CommandSpec, argv: Argv<'_>) -> Option<Vec<KeyPosition>> {
    let of_line = spec.key_flags.map(|flags| flags(argv));
    let mut keys = Vec::new();
    let valid = command_keys(spec, argv, |position| {
        if !position.flags.has(KeyFlags::NOT_KEY) {
            let flags = match of_line {
                Some(flags) if position.flags.has(KeyFlags::VARIABLE_FLAGS) => flags,
                _ => position.flags,
            };
            keys.push(KeyPosition { flags, ..position });
        }
    });
    valid.then_some(keys)
}

/// The range of keys as servers before 7.0 described it: the arguments of the first and the last key (negative: from
/// the end) and their distance, zeros where there is none; and whether that misses keys.
pub fn legacy_range(keys: &[KeySpec]) -> ((i64, i64, i64), bool) {
    let mut range: Option<(i64, i64, i64)> = None;
    let mut movable = false;
    let mut last_of_previous = 0;
    for spec in keys {
        let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            movable = true;
            continue;
        };
        let (first, last, step) = (i64::from(first), i64::from(last), i64::from(step));
        let last = if last >= 0 { first + last } else { last };
        if keys.len() == 1 {
            return ((first, last, step), spec.flags.has(KeyFlags::INCOMPLETE));
        }
        if step != 1 || last_of_previous != 0 && last_of_previous != first - 1 {
            movable = true;
            continue;
        }
        movable |= spec.flags.has(KeyFlags::INCOMPLETE);
        let (first, last) = range.map_or((first, last), |(first_before, last_before, _)| {
            // An end counted from the last argument lies behind any other.
            let last = if (last < 0) == (last_before < 0) { last.max(last_before) } else { last.min(last_before) };
            (first.min(first_before), last)
        });
        last_of_previous = last;
        range = Some((first, last, 1));
    }
    (range.unwrap_or_default(), movable)
}

fn begin(begin: Begin, argv: Argv<'_>) -> Option<usize> {
    match begin {
        Begin::Index(index) => (usize::from(index) < argv.len()).then_some(usize::from(index)),
        Begin::Keyword(word, from) => {
            let matches = |index: &usize| argv.get(*index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
            let after = if from >= 0 {
                (usize::from(from.unsigned_abs())..argv.len()).find(matches)
            } else {
                let last = argv.len().checked_sub(usize::from(from.unsigned_abs()))?;
                (1..=last).rev().find(matches)
            };
            after.map(|index| index + 1).filter(|index| *index < argv.len())
        }
        Begin::Unknown => None,
    }
}

fn last_of_range(begin: usize, last: i16, limit: u8, len: usize) -> Option<usize> {
    let index = if last >= 0 {
        begin + usize::from(last.unsigned_abs())
    } else if last == -1 && limit > 1 {
        begin + (len - begin) / usize::from(limit) - 1
    } else {
        len.checked_sub(usize::from(last.unsigned_abs()))?
    };
    (index >= begin && index < len).then_some(index)
}

fn parse_count(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::tests::with_argv;

    fn range(first: u16, last: i16, step: u8, flags: KeyFlags) -> KeySpec {
        KeySpec { flags, begin: Begin::Index(first), find: Find::Range { last, step, limit: 0 } }
    }

    #[test]
    fn a_count_that_cannot_be_finds_nothing() {
        const KEYS: &[KeySpec] = &[KeySpec {
            flags: KeyFlags::RO,
            begin: Begin::Index(1),
            find: Find::KeyNum { count: 0, first: 1, step: 2 },
        }];
        let spec = CommandSpec { keys: KEYS, ..CommandSpec::BASE };
        let found = |line: &str| {
            with_argv(line, |argv| {
                keys_and_flags(&spec, argv).map(|keys| keys.iter().map(|key| key.index).collect::<Vec<_>>())
            })
        };
        assert_eq!(found("msetex 2 a 1 b 2"), Some(vec![2, 4]));
        for count in ["0", "3", "-1", "x", "4611686018427387904", "9223372036854775807", "18446744073709551615"] {
            assert_eq!(found(&format!("msetex {count} a 1 b 2")), None, "{count}");
        }
    }

    // Of COMMAND INFO of Redis 7.0: GET, MSET, LCS, RENAME, BITOP, ZUNIONSTORE, MIGRATE, EVAL, BLPOP.
    #[test]
    fn ranges_for_old_clients() {
        let (ro, rw) = (KeyFlags::RO, KeyFlags::RW);
        let counted = |first| KeySpec {
            flags: ro,
            begin: Begin::Index(first),
            find: Find::KeyNum { count: 0, first: 1, step: 1 },
        };
        let keyword = KeySpec {
            flags: rw.with(KeyFlags::INCOMPLETE),
            begin: Begin::Keyword("KEYS", -2),
            find: Find::Range { last: -1, step: 1, limit: 0 },
        };
        for (keys, expected) in [
            (vec![], ((0, 0, 0), false)),
            (vec![range(1, 0, 1, ro)], ((1, 1, 1), false)),
            (vec![range(1, -1, 2, ro)], ((1, -1, 2), false)),
            (vec![range(1, 1, 1, ro)], ((1, 2, 1), false)),
            (vec![range(1, 0, 1, ro), range(2, 0, 1, rw)], ((1, 2, 1), false)),
            (vec![range(2, 0, 1, rw), range(3, -1, 1, ro)], ((2, -1, 1), false)),
            (vec![range(1, 0, 1, rw), counted(2)], ((1, 1, 1), true)),
            (vec![range(3, 0, 1, rw), keyword], ((3, 3, 1), true)),
            (vec![counted(2)], ((0, 0, 0), true)),
            (vec![range(1, -2, 1, rw)], ((1, -2, 1), false)),
        ] {
            assert_eq!(legacy_range(&keys), expected);
        }
    }
}
