//! The server's log: a [`tracing`] layer that prints one line an event, as Redis does, to standard output, to a file
//! or to syslog.
//!
//! Other code logs through the macros of `tracing` alone. `error!` and `warn!` come out as Redis's warning (`#`),
//! `info!` as notice (`*`), `debug!` as verbose (`-`) and `trace!` as debug (`.`). Fields of an event follow its message as
//! ` key=value`, or as members of their own in the formats `logfmt` and `json`.
//!
//! A line is formatted outside any lock, in a buffer each thread keeps, and leaves in one `write(2)` under a short lock,
//! so that lines never mix and keep their order. Writing is synchronous on purpose: a queue would lose the last lines
//! before a crash, which are the ones somebody needs.

pub mod banner;
mod format;
mod layer;
mod level;
mod sink;
mod stamp;
pub mod syslog;

pub use format::{LogFormat, Role};
pub use layer::{LogHandle, LogOptions, RedisLayer, init};
pub use level::LogLevel;
pub use stamp::TimestampFormat;
