//! Looking whether files are whole, without a server: what `ochre-check-aof` and `ochre-check-rdb` do.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod aof;
mod commands;
mod error;
mod program;
mod rdb;

pub use aof::{AofCheck, check_aof};
pub use error::CheckError;
pub use program::Program;
pub use rdb::check_rdb;
