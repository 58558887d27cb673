//! Where the keys of a command line are.

use super::{Begin, CommandSpec, Find, KeyFlags};
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
                (begin..=last).step_by(usize::from(step.max(1))).for_each(&mut push);
            }
            Find::KeyNum { count, first, step } => {
                let number = argv.get(begin + usize::from(count)).and_then(parse_count);
                let first = begin + usize::from(first);
                let step = usize::from(step.max(1));
                match number.and_then(|number| Some((number, number.checked_mul(step)?))) {
                    Some((number, width)) if number > 0 && first + width - step < argv.len() => {
                        (first..first + width).step_by(step).for_each(&mut push);
                    }
                    _ => valid = false,
                }
            }
            Find::Unknown => valid = false,
        }
    }
    valid
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
