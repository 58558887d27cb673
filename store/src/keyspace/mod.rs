//! Keys, whatever their values are.

mod basic;
mod database;
mod deadline;
mod object;
mod pin;
mod restore;
mod transfer;
mod walk;

pub use crate::raw::table::TableShape;
pub use basic::{Presence, delete, exists, exists_for_write, peek_type, presence, touch, type_of, unlink};
pub use database::{FreeMode, flush_all, flush_db, rehash, swap_db};
pub use deadline::{ExpireCondition, ExpireOutcome, deadline, expire_at_ms, peek_deadline, persist};
pub use object::{ObjectInfo, memory_usage, object, tables, value_table};
pub use pin::{has_pins, is_pinned, pin, unpin};
pub use restore::{NewValue, RestoreOptions, load, reserve, restore, value};
pub use transfer::{copy, move_key, rename};
pub(crate) use walk::record_of;
pub use walk::{
    Record, keys, keys_in_shard, random_key, random_shard, record, records_in_shard, scan, scan_records, scan_shard,
};
