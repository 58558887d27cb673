//! Making hashes from their parts, as a file gives them.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::value::Hash;
use super::write::{FieldExpiry, Writer};
use crate::collection::FieldMap;
use crate::corrupt::Corrupt;
use crate::listpack::{Listpack, distinct};
use crate::raw::block::PackedBox;
use crate::raw::entry::Str;
use crate::store::Store;

/// Reads a hash field by field; it has the form that its fields ask for.
pub struct HashLoader<'s> {
    hash: Hash,
    store: &'s Store,
}

impl<'s> HashLoader<'s> {
    /// Starts with no field. `len` are declared, and there is reason to make room for `expected`.
    pub fn new(store: &'s Store, len: u64, expected: usize) -> HashLoader<'s> {
        let hash = if len > store.settings().hash_listpack.limits().entries as u64 {
            let mut table = FieldMap::new(store);
            table.reserve(expected);
            Hash::Table(PackedBox::new(table))
        } else {
            Hash::Pack(Listpack::new())
        };
        HashLoader { hash, store }
    }

    /// Adds a field, which may have a deadline in ms since the Unix epoch. False, if there is one of its name.
    pub fn push(&mut self, name: &[u8], value: Str<'_>, deadline_ms: Option<i64>) -> bool {
        let expiry = deadline_ms.map_or(FieldExpiry::Clear, FieldExpiry::At);
        Writer::new(&mut self.hash, self.store, i64::MIN).put(name, value, expiry)
    }

    /// The hash, which may be empty.
    pub fn finish(self) -> Hash {
        let mut hash = self.hash;
        if let Hash::Pack(pack) = &mut hash {
            pack.shrink_to_fit();
        }
        hash
    }
}

impl Hash {
    /// The hash of a listpack from outside, in another form if it is too large for that. Errs if a field has no value, or
    /// if two have the same name.
    pub fn from_pack(store: &Store, pack: Listpack) -> Result<Hash, Corrupt> {
        distinct(pack.view(), 2).map_err(|reason| Corrupt { kind: "hash", offset: 0, reason })?;
        let mut hash = Hash::Pack(pack);
        if hash.len() > store.settings().hash_listpack.limits().entries {
            hash.table(store, 0);
        }
        Ok(hash)
    }
}
