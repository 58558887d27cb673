//! The command table: what a command is, how it is found, and where its keys are.

mod keys;
mod spec;
mod table;

pub use keys::{KeyPosition, command_keys};
pub use spec::{
    AclCategories, Begin, CommandSpec, Find, Flags, Group, Handler, KeyFlags, KeySpec, LockClass, Subcommands,
};
pub use table::{Command, CommandId, CommandTable};
