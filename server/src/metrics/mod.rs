//! What is measured about the process: memory, processor time, rates; and all figures over HTTP.

mod exposition;
mod gather;
pub(crate) mod http;
pub mod key_sizes;
pub mod memory;
pub mod over_limit;
pub mod process;
pub mod rates;
