//! The only module with `unsafe` code: entries, the bucket table and prefetching. What it exposes is safe.
#![allow(unsafe_code)]

mod array;
mod bucket;
pub(crate) mod entry;
pub(crate) mod hint;
pub(crate) mod keys;
mod table;
