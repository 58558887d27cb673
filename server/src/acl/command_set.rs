//! A set of commands, one bit each.

use crate::command::CommandId;

const WORD_BITS: usize = 64;
/// Room for every command there may be.
const WORDS: usize = 16;

/// A set of commands. One that the bits have no room for is never in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CommandSet([u64; WORDS]);

impl CommandSet {
    /// How many commands there may be.
    #[cfg(test)]
    pub(super) const COMMANDS_MAX: usize = WORDS * WORD_BITS;
    /// All commands.
    pub(super) const ALL: CommandSet = CommandSet([u64::MAX; WORDS]);
    /// None.
    pub(super) const NONE: CommandSet = CommandSet([0; WORDS]);

    /// Whether the command is in it.
    #[inline]
    pub(super) fn contains(&self, id: CommandId) -> bool {
        let id = usize::from(id);
        self.0.get(id / WORD_BITS).is_some_and(|word| word & (1 << (id % WORD_BITS)) != 0)
    }
    /// Puts a command in or takes it out.
    pub(super) fn set(&mut self, id: CommandId, on: bool) {
        let id = usize::from(id);
        let Some(word) = self.0.get_mut(id / WORD_BITS) else { return };
        let bit = 1 << (id % WORD_BITS);
        *word = if on { *word | bit } else { *word & !bit };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::CommandTable;

    #[test]
    fn there_is_room_for_all_commands() {
        let table = CommandTable::new(&crate::commands::all(), &[]).unwrap();
        assert!(table.all().len() <= CommandSet::COMMANDS_MAX);
    }

    #[test]
    fn bits() {
        let mut set = CommandSet::NONE;
        for id in [0, 63, 64, 1023, 1024, u16::MAX] {
            assert!(!set.contains(id));
            set.set(id, true);
            assert_eq!(set.contains(id), usize::from(id) < CommandSet::COMMANDS_MAX, "{id}");
            assert_eq!(CommandSet::ALL.contains(id), set.contains(id));
        }
        set.set(64, false);
        assert!(!set.contains(64) && set.contains(63));
    }
}
