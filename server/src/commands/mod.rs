//! The commands, a file a family.

mod all;
pub mod bitfield;
pub mod bitmap;
pub mod client;
pub mod command;
pub mod config;
pub mod connection;
pub mod debug;
mod document;
pub mod expire;
pub mod generic;
mod help;
pub mod hyperloglog;
pub mod info;
pub mod latency;
pub mod lcs;
pub mod lolwut;
pub mod memory;
pub mod monitor;
pub mod object;
pub mod scan;
mod scan_options;
pub mod server;
pub mod set;
pub mod set_combine;
pub mod set_random;
pub mod slowlog;
pub mod sort;
pub mod string;
pub mod string_many;
pub mod string_number;
mod string_options;
pub mod string_range;

pub use all::all;
pub use document::generate;
