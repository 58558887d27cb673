//! A hash value in either of its forms.

use crate::collection::FieldMap;
use crate::listpack::Listpack;

/// A hash.
#[derive(Clone, Debug)]
pub enum Hash {
    /// Few short fields, name and value in turn, in the order in which they came (`OBJECT ENCODING` listpack).
    Pack(Listpack),
    /// Anything else (`OBJECT ENCODING` hashtable).
    Table(Box<FieldMap>),
}

const _: () = assert!(size_of::<Hash>() == 24);

impl Hash {
    /// The number of fields, also those whose deadline has passed.
    pub fn len(&self) -> usize {
        match self {
            Hash::Pack(pack) => pack.len() / 2,
            Hash::Table(fields) => fields.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        match self {
            Hash::Pack(pack) => pack.is_empty(),
            Hash::Table(fields) => fields.is_empty(),
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        match self {
            Hash::Pack(pack) => pack.memory(),
            Hash::Table(fields) => fields.memory(),
        }
    }
}
