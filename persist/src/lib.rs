//! RDB and AOF: readers, writers and repair.
#![forbid(unsafe_code)]
