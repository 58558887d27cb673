//! The place of a value inside an entry: nine bytes that hold one of several types, told apart by the entry's header.

use super::block::PackedBox;
use super::entry::Type;
use crate::hash::Hash;
use crate::quicklist::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use crate::value::{Value, ValueRef};
use std::ptr::NonNull;

/// Size of the place, which has no alignment.
pub(super) const SLOT_BYTES: usize = 9;

/// A type whose values stand in entries.
///
/// # Safety
/// `TYPE` belongs to this type alone and is not `String`; the size is at most [`SLOT_BYTES`], the alignment 1.
pub(crate) unsafe trait InEntry: Sized {
    /// The type in the header of the entry.
    const TYPE: Type;

    /// The value as one of any type.
    fn into_value(self) -> Value;
}

macro_rules! in_entry {
    ($($type:ty => $variant:ident),*) => {
        $(
            const _: () = assert!(size_of::<$type>() <= SLOT_BYTES && align_of::<$type>() == 1);

            // SAFETY: one line for each type; size and alignment were just checked.
            unsafe impl InEntry for $type {
                const TYPE: Type = Type::$variant;

                fn into_value(self) -> Value {
                    Value::$variant(self)
                }
            }
        )*

        /// Puts a value into a place that holds none.
        ///
        /// # Safety
        /// `slot` has [`SLOT_BYTES`] bytes of room.
        pub(super) unsafe fn write(slot: NonNull<u8>, value: Value) {
            match value {
                // SAFETY: by the caller and the check above.
                $(Value::$variant(value) => unsafe { slot.cast::<$type>().write(value) },)*
            }
        }

        /// Takes the value out of its place.
        ///
        /// # Safety
        /// A value of type `kind` stands there, and is not used by any other path from now on.
        pub(super) unsafe fn read(slot: NonNull<u8>, kind: Type) -> Value {
            match kind {
                // SAFETY: by the caller.
                $(Type::$variant => Value::$variant(unsafe { slot.cast::<$type>().read() }),)*
                Type::String => unreachable!("strings do not stand in slots"),
            }
        }

        /// The value in its place.
        ///
        /// # Safety
        /// A value of type `kind` stands there, unchanged during 'a.
        pub(super) unsafe fn view<'a>(slot: NonNull<u8>, kind: Type) -> ValueRef<'a> {
            match kind {
                // SAFETY: by the caller.
                $(Type::$variant => ValueRef::$variant(unsafe { slot.cast::<$type>().as_ref() }),)*
                Type::String => unreachable!("strings do not stand in slots"),
            }
        }
    };
}

in_entry!(List => List, Set => Set, SortedSet => SortedSet, Hash => Hash, PackedBox<Stream> => Stream);
