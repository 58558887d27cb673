//! What Ochre keeps on disk and hands to other servers: RDB and AOF.
//!
//! [`rdb`] reads and writes values in the format of RDB files, of which a payload of DUMP is one value with a footer:
//! see [`dump`]. [`aof`] keeps the files of commands that follow a snapshot. [`check`] looks whether such files are whole.
//!
//! ```
//! use ochre_persist::dump;
//! use ochre_store::{Options, Store, Str, ValueRef, keyspace::NewValue};
//!
//! let store = Store::new(Options { shards: 1, databases: 1, hash_seed: [1, 2, 3, 4] });
//! let payload = dump::write(ValueRef::String(Str::Bytes(b"hello")), dump::Settings::default());
//! let value = dump::read(&payload, &store, dump::Verify::Checksum).unwrap();
//! assert!(matches!(value, NewValue::String(text) if text == b"hello"));
//! ```
//!
//! This crate knows neither sockets nor how commands are dispatched.
#![forbid(unsafe_code)]

pub mod aof;
pub mod check;
pub mod crc64;
pub mod dump;
pub mod new_file;
pub mod rdb;
#[cfg(test)]
mod test_disk;
