//! The only module with `unsafe` code: entries, the bucket table, prefetching and the cell behind a shard's lock. What it
//! exposes is safe.
#![allow(unsafe_code)]

mod array;
pub(crate) mod block;
mod bucket;
pub(crate) mod cell;
mod deadline;
pub(crate) mod element;
pub(crate) mod entry;
mod field_index;
pub(crate) mod fields;
pub(crate) mod hint;
pub mod huge;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod ordered;
pub(crate) mod slot;
pub(crate) mod table;
