//! The tables of directives, by subject.
//!
//! A table is a macro that adds its declarations to those gathered so far and hands them to the next one; the last in
//! the chain, in `registry`, makes the snapshot and the list of them all. A declaration reads:
//!
//! ```text
//! /// One line for the documents.
//! name_with_underscores: FieldType = codec, attributes;
//! ```

pub(super) mod checks;
#[macro_use]
mod clients;
#[macro_use]
mod cluster;
#[macro_use]
mod encodings;
#[macro_use]
mod expiry;
#[macro_use]
mod logging;
#[macro_use]
mod memory;
#[macro_use]
mod monitoring;
#[macro_use]
mod network;
#[macro_use]
mod persistence;
#[macro_use]
mod process;
#[macro_use]
mod replication;
#[macro_use]
mod scripting;
#[macro_use]
mod security;
#[macro_use]
mod tls;
