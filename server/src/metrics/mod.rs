//! What is measured about the process: memory, processor time, rates.

pub mod memory;
pub mod over_limit;
pub mod process;
pub mod rates;
