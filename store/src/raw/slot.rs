//! The place of a value inside an entry: nine bytes that hold one of several types, told apart by the entry's header.
//!
//! A value that is one short block may be folded (see [`block`](super::block)): then it stands there as ever, but its bytes
//! follow, up to the end of the entry. Such a value can be read and changed in its place, and leaves it by
//! itself when it grows beyond the entry; it is never moved.

use super::block::{Block, HEAD_BYTES, PackedBox};
use super::entry::{FOLDED_SIZE_MAX, Type, size_class};
use crate::hash::Hash;
use crate::listpack::{EMPTY, Listpack};
use crate::quicklist::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::stream::Stream;
use crate::value::{Value, ValueRef};
use std::ptr::NonNull;

/// Size of the place, which has no alignment.
pub(super) const SLOT_BYTES: usize = 9;

/// Bytes of the place before the block of a value that may be folded: they tell the form of the value.
const FORM_BYTES: usize = 1;
/// The form of a sorted set or hash that is a listpack: `Pack` is the first one of both.
const PACK_FORM: u8 = 0;

/// A type whose values stand in entries.
///
/// A value that stands in an entry is never moved out through a reference, as [`std::mem::replace`] would: it may be folded.
///
/// # Safety
/// `TYPE` belongs to this type alone and is not `String`; the size is at most [`SLOT_BYTES`], the alignment 1. If values
/// are folded, the type has [`FORM_BYTES`] bytes that tell its form, and then either a block, and nothing else, or a box.
pub(crate) unsafe trait InEntry: Sized {
    /// The type in the header of the entry.
    const TYPE: Type;

    /// Whether values of this type are folded.
    const FOLDS: bool;

    /// The value as one of any type.
    fn into_value(self) -> Value;

    /// The bytes of a value that may be folded: it is the same with a block that starts with them and has the mark 0.
    fn foldable(&self) -> Option<&[u8]>;
}

macro_rules! in_entry {
    ($($type:ty => $variant:ident, $folds:literal, $foldable:expr;)*) => {
        $(
            const _: () = assert!(size_of::<$type>() <= SLOT_BYTES && align_of::<$type>() == 1);

            // SAFETY: one line for each type; size and alignment were just checked.
            unsafe impl InEntry for $type {
                const TYPE: Type = Type::$variant;
                const FOLDS: bool = $folds;

                fn into_value(self) -> Value {
                    Value::$variant(self)
                }

                #[inline]
                fn foldable(&self) -> Option<&[u8]> {
                    let foldable: fn(&$type) -> Option<&[u8]> = $foldable;
                    foldable(self)
                }
            }
        )*

        /// The bytes of a value that may be folded.
        pub(super) fn foldable(value: &Value) -> Option<&[u8]> {
            match value {
                $(Value::$variant(value) => value.foldable(),)*
            }
        }

        /// Whether values of this type may be folded.
        #[inline]
        pub(super) fn folds(kind: Type) -> bool {
            match kind {
                $(Type::$variant => $folds,)*
                Type::String => false,
            }
        }

        /// The byte that tells the form of a value that may be folded.
        fn form(value: &Value) -> u8 {
            match value {
                // SAFETY: by the trait the form comes first.
                $(Value::$variant(value) => unsafe { NonNull::from(value).cast::<u8>().read() },)*
            }
        }

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
            // SAFETY: by the caller.
            if unsafe { is_folded(slot, kind) } {
                // SAFETY: a folded block stands behind the form.
                unsafe { slot.add(FORM_BYTES).cast::<Block>().as_mut() }.lift();
            }
            match kind {
                // SAFETY: by the caller.
                $(Type::$variant => Value::$variant(unsafe { slot.cast::<$type>().read() }),)*
                Type::String => unreachable!("strings do not stand in slots"),
            }
        }

        /// Drops the value in its place.
        ///
        /// # Safety
        /// As for [`read`].
        pub(super) unsafe fn drop_in_place(slot: NonNull<u8>, kind: Type) {
            match kind {
                // SAFETY: by the caller.
                $(Type::$variant => unsafe { slot.cast::<$type>().drop_in_place() },)*
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

in_entry! {
    List => List, false, |_| None;
    Set => Set, false, |_| None;
    SortedSet => SortedSet, true, SortedSet::foldable;
    Hash => Hash, true, Hash::foldable;
    PackedBox<Stream> => Stream, false, |_| None;
}

/// Whether the value is folded.
///
/// # Safety
/// A value of type `kind` stands there.
#[inline]
pub(super) unsafe fn is_folded(slot: NonNull<u8>, kind: Type) -> bool {
    // SAFETY: behind the form stands a block or a box, of which a folded block alone is not even.
    folds(kind) && unsafe { slot.add(FORM_BYTES).cast::<Block>().as_ref() }.is_folded()
}

/// Bytes to allocate for an entry where `bytes` bytes of a value are folded behind `offset` others; nothing if it takes
/// less memory, or as much, when they are a block of their own.
pub(super) fn folded_size(offset: usize, bytes: usize) -> Option<usize> {
    if bytes > FOLDED_SIZE_MAX {
        return None;
    }
    let size = size_class(offset + FORM_BYTES + HEAD_BYTES + bytes);
    let is_less = size < size_class(offset + SLOT_BYTES) + Block::size(bytes);
    (is_less && size <= FOLDED_SIZE_MAX && folded_len(offset, size).is_some_and(|len| len >= bytes)).then_some(size)
}

/// A sorted set or hash that is an empty listpack, with room for so many bytes.
pub(super) fn pack(kind: Type, bytes: usize) -> Value {
    let pack = Listpack::with_capacity(bytes);
    match kind {
        Type::SortedSet => Value::SortedSet(SortedSet::Pack(pack)),
        Type::Hash => Value::Hash(Hash::Pack(pack)),
        _ => unreachable!("values of other types are not folded"),
    }
}

/// As [`write_folded`], for an empty listpack in a sorted set or hash.
///
/// # Safety
/// As there.
pub(super) unsafe fn write_folded_pack(slot: NonNull<u8>, offset: usize, size: usize) {
    let Some(len) = folded_len(offset, size) else { unreachable!("the size was told for it") };
    // SAFETY: the entry ends where the block does.
    unsafe {
        slot.write(PACK_FORM);
        Block::fold(slot.add(FORM_BYTES), &EMPTY, len);
    }
}

/// The number of bytes of a block that is folded behind `offset` others into an entry of so many bytes.
fn folded_len(offset: usize, size: usize) -> Option<usize> {
    Block::folded_len(size.checked_sub(offset + FORM_BYTES)?)
}

/// Puts a value, which [`foldable`] tells the bytes of, into a place that holds none, and folds it. The place lies behind
/// `offset` bytes of an entry that has `size` bytes.
///
/// # Safety
/// [`folded_size`] has told the size, for as many bytes.
pub(super) unsafe fn write_folded(slot: NonNull<u8>, value: Value, offset: usize, size: usize) {
    let (Some(bytes), Some(len)) = (foldable(&value), folded_len(offset, size)) else {
        unreachable!("the size was told for this value");
    };
    // SAFETY: the entry ends where the block does.
    unsafe {
        slot.write(form(&value));
        Block::fold(slot.add(FORM_BYTES), bytes, len);
    }
}
