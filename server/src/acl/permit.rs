//! What a user has just been allowed, so that more of the same need not be asked.

use crate::command::{Command, CommandId};

/// A command that is allowed for all keys that begin in some way. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    command: Option<CommandId>,
    args: usize,
    /// First bytes of the key as a number, see `Matcher::head_of`, as far as the mask goes.
    head: u64,
    mask: u64,
}

impl Permit {
    /// For a command that has one key, in a line of as many arguments, whose first bytes are `start`: number and mask.
    pub(super) fn new(command: &Command, args: usize, start: Option<(u64, u64)>) -> Permit {
        // What happens to the key may depend on arguments that need not be there.
        let is_short = command.spec.key_flags.is_none() || args == usize::from(command.spec.arity.unsigned_abs());
        match start {
            Some((head, mask)) if is_short => Permit { command: Some(command.id), args, head, mask },
            _ => Permit::default(),
        }
    }

    /// Whether the command is allowed in a line of as many arguments whose key begins with these bytes.
    #[inline]
    pub(crate) fn covers(&self, command: &Command, args: usize, key_head: u64) -> bool {
        self.command == Some(command.id) && self.args == args && key_head & self.mask == self.head
    }
}
