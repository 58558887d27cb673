//! The command table: what a command is, how it is found, and where its keys are.

mod keys;
mod spec;
mod syntax;
mod table;

pub use keys::{KeyPosition, command_keys, keys_and_flags, legacy_range};
pub use spec::{
    AclCategories, Begin, ChannelArguments, CommandSpec, Find, Flags, Group, Handler, KeyFlags, KeySpec, LockClass,
    NamedDatabases, OpenKeys, Subcommands,
};
pub use syntax::{Argument, ArgumentKind, arguments};
pub use table::{Command, CommandId, CommandTable};
