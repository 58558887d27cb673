//! The storage engine of Ochre: a sharded in-memory keyspace with typed values, usable on its own.
//!
//! A [`Store`] is divided into shards, each behind its own lock. A thread [registers](Store::register), hashes its
//! [keys](Store::key), locks their shards ([`sync`]) and works on them through a [`Txn`], by the typed operations:
//!
//! * [`string`], [`bits`] and [`hyperloglog`]: string values;
//! * [`keyspace`]: keys whatever their type; [`expire`] and [`evict`]: how keys go by themselves;
//! * [`geo`]: what scores of sorted sets say about places;
//! * [`stream`]: the value of streams;
//! * [`listpack`], [`intset`], [`quicklist`]: compact encodings of values, each usable by itself; [`lzf`] compresses;
//! * [`collection`]: the large encodings of hashes, sets and sorted sets;
//! * [`undo`]: taking back what a unit has changed.
//!
//! What an operation changed beside its result is recorded in [`Effects`].
//!
//! ```
//! use ochre_store::{Clock, Effects, Options, Store, shards_of, string};
//!
//! let store = Store::new(Options { shards: 1, databases: 16, hash_seed: [1, 2, 3, 4] });
//! let member = store.register();
//! let key = store.key(b"greeting");
//! let mut effects = Effects::default();
//! let length = member.run(shards_of(&[key]), Clock { now_ms: 0 }, &mut effects, |txn| {
//!     string::set(txn, 0, key, b"hello", string::SetOptions::default())?;
//!     string::append(txn, 0, key, b" world")
//! });
//! assert_eq!(length, Ok(11));
//! assert_eq!(effects.dirty, 2);
//! ```
//!
//! This crate knows nothing of wire formats, files or clients.
#![deny(unsafe_code)]

pub mod bits;
pub mod clock;
pub mod collection;
mod corrupt;
mod effects;
mod error;
pub mod evict;
pub mod expire;
mod free;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod intset;
pub mod keyspace;
pub mod list;
pub mod listpack;
pub mod lzf;
mod memory;
mod open;
mod order;
mod pins;
pub mod quicklist;
pub mod random;
mod raw;
pub mod set;
mod settings;
mod shard;
mod short;
pub mod snapshot;
pub mod sort;
pub mod sorted_set;
mod stats;
mod store;
pub mod stream;
pub mod string;
pub mod sync;
mod txn;
pub mod undo;
mod value;

pub use clock::Clock;
pub use corrupt::Corrupt;
pub use effects::{Effects, Event, EventClass, ExpiredFields, Reason, Removal};
pub use error::Error;
pub use free::{Garbage, HeldTables};
pub use raw::block::PackedBox;
pub use raw::entry::{EMBSTR_MAX, Encoding, Str, Type};
pub use raw::huge;
pub use settings::{Policy, Settings};
pub use shard::Shard;
pub use stats::Stats;
pub use store::{Key, Member, Options, Prefetch, Store, shards_of};
pub use txn::{Access, Expired, Txn};
pub use value::ValueRef;
