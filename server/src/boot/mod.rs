//! Start and end of the process: configuration, log, listeners, workers, signals.

mod ending;
mod entry;
mod host;
mod options;
mod serve;

pub(crate) use ending::wait_for_replicas;
pub use entry::main;
pub(crate) use options::title;
