//! Start and end of the process: configuration, log, listeners, workers, signals.

mod entry;
mod host;
mod options;
mod serve;

pub use entry::main;
pub(crate) use options::title;
