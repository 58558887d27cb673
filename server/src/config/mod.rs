//! The registry of directives: what `ochre-server` can be told, by file, command line and `CONFIG SET`.
//!
//! A directive is declared once, in a table under `tables/`. From the tables come the typed snapshot [`Config`], the
//! parser of files and command lines, `CONFIG GET`, `SET` and `REWRITE`, `default.conf` and `docs/config.md`.
//!
//! Everything here is a function of its arguments: `set` returns a new snapshot and names the [`Effect`]s, which the
//! server applies. Only the loader and the rewriter touch files.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod apply;
mod codec;
mod command_line;
mod compatibility;
mod directive;
mod document;
mod file;
mod get;
mod glob;
mod line;
#[macro_use]
mod tables;
mod registry;
mod rewrite;
mod set;
#[cfg(test)]
mod tests;

pub use codec::{
    AclPubsubDefault, AppendFsync, ClientAuth, ClientAuthUser, ConfigSaveBehavior, DisklessLoad, EndpointType,
    KeyspaceEvents, LogFormat, LogLevel, LogTimestampFormat, OomScoreAdj, OutputLimit, OutputLimits, Permission,
    Policy, PropagationError, RdbVersion, RdbVersionCheck, SanitizePayload, SavePoint, ShutdownFlags, SizeOrPercent,
    Supervised, SyslogFacility, Upstream,
};
pub(crate) use codec::{memory_size, reason};
pub use command_line::{Invocation, Launch, parse_arguments};
pub use compatibility::Level;
pub use directive::{Attributes, Directive, Effect, Origin, Support};
pub use document::generate;
pub use file::{LoadError, Loaded, fatal_error, load};
pub use get::{get, get_one};
pub use line::{quote, words};
pub use registry::{Config, DIRECTIVES, RenameCommand, UserLine, lookup};
pub(crate) use rewrite::replace as replace_file;
pub use rewrite::{RewriteError, rewrite, rewrite_text};
pub use set::{Change, Requester, SetError, is_sensitive, set};
