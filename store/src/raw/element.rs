//! One member of a large collection in one allocation: a key and, depending on the collection, a value.
//!
//! ```text
//! key length 1 │ value length 1 │ key │ value                       short: key below 128, value below 256 bytes
//! flags 1 │ key length 1 │ value length 1 │ … │ key │ value         with DEADLINE 8 bytes for it at …
//! flags 1 │ 0 │ 0 │ … │ key │ value                                 with LONG also both lengths, 8 bytes each, at …
//! ```
//!
//! Two bytes of header let a key of 14 and a value of 16 bytes fit into the allocator's class of 32. The size of the
//! allocation follows from the lengths, so it is not stored. No part is aligned.

use super::entry::size_class;
use super::table::Keyed;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// First byte of all elements that are not short.
const EXTENDED: u8 = 0x80;
const DEADLINE: u8 = 1;
const LONG: u8 = 2;

const SHORT_KEY_MAX: usize = 127;
const BYTE_MAX: usize = 255;

const _: () = assert!(usize::BITS == 64, "sizes are summed without checks, and lengths are stored as 64 bits");

/// An element. Owns its allocation.
///
/// Invariant: points to an allocation of `Shape::capacity` bytes, laid out as the module says.
pub(crate) struct Element(NonNull<u8>);

/// An element borrowed from its owner.
#[derive(Clone, Copy)]
pub(crate) struct ElementRef<'a> {
    raw: NonNull<u8>,
    owner: PhantomData<&'a [u8]>,
}

// SAFETY: an element owns all it points to, like a Box.
unsafe impl Send for Element {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Element {}
// SAFETY: as a reference to bytes.
unsafe impl Send for ElementRef<'_> {}
// SAFETY: as a reference to bytes.
unsafe impl Sync for ElementRef<'_> {}

/// The lengths that determine the layout.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shape {
    flags: u8,
    key_len: usize,
    value_len: usize,
}

impl Shape {
    fn of(key_len: usize, value_len: usize, deadline: bool) -> Shape {
        let long = key_len > BYTE_MAX || value_len > BYTE_MAX;
        let flags = if long { LONG } else { 0 } | if deadline { DEADLINE } else { 0 };
        let extended = flags != 0 || key_len > SHORT_KEY_MAX;
        Shape { flags: if extended { EXTENDED | flags } else { 0 }, key_len, value_len }
    }

    fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Where the lengths of a LONG element stand.
    fn lengths_offset(self) -> usize {
        3 + if self.has(DEADLINE) { 8 } else { 0 }
    }

    fn key_offset(self) -> usize {
        if !self.has(EXTENDED) {
            return 2;
        }
        self.lengths_offset() + if self.has(LONG) { 16 } else { 0 }
    }

    /// The size of the allocation. The sum cannot overflow: both lengths are those of slices that exist or existed, and
    /// such a slice takes a small part of what 64 bits can address.
    fn capacity(self) -> usize {
        match self.key_offset() + self.key_len + self.value_len {
            0..=8 => 8,
            bytes => size_class(bytes),
        }
    }

    fn layout(self) -> Layout {
        Layout::from_size_align(self.capacity(), 1).expect("an element is smaller than the address space")
    }
}

/// # Safety
/// `at` has room for 8 bytes.
unsafe fn write_word(at: NonNull<u8>, word: u64) {
    // SAFETY: by the caller; the place is unaligned.
    unsafe { at.cast::<u64>().write_unaligned(word) };
}

/// # Safety
/// 8 initialised bytes stand at `at`.
unsafe fn read_word(at: NonNull<u8>) -> u64 {
    // SAFETY: by the caller; the place is unaligned.
    unsafe { at.cast::<u64>().read_unaligned() }
}

impl Element {
    /// A new element. `deadline` in ms since the Unix epoch.
    pub(crate) fn new(key: &[u8], value: &[u8], deadline: Option<i64>) -> Element {
        let shape = Shape::of(key.len(), value.len(), deadline.is_some());
        let layout = shape.layout();
        // SAFETY: the size is not zero.
        let Some(base) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: all parts lie inside the allocation, whose size is the sum of theirs; it overlaps no live slice.
        unsafe {
            write_header(base, shape);
            if let Some(deadline) = deadline {
                write_word(base.add(3), deadline as u64);
            }
            let at = base.add(shape.key_offset());
            at.copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            at.add(key.len()).copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        Element(base)
    }

    /// Borrows the element.
    pub(crate) fn get(&self) -> ElementRef<'_> {
        ElementRef { raw: self.0, owner: PhantomData }
    }

    /// Gives up ownership. The pointer is for [`from_raw`](Element::from_raw).
    pub(super) fn into_raw(self) -> *mut u8 {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// Takes back an element.
    ///
    /// # Safety
    /// `raw` comes from [`into_raw`](Element::into_raw), its element is alive, and not used by another path while the
    /// result is. Wrap the result in `ManuallyDrop` to borrow exclusively instead of own.
    pub(super) unsafe fn from_raw(raw: *mut u8) -> Element {
        // SAFETY: into_raw never returns null.
        Element(unsafe { NonNull::new_unchecked(raw) })
    }

    /// Overwrites the value in place if the new one takes the same layout and class; otherwise false.
    pub(crate) fn try_set_value(&mut self, value: &[u8]) -> bool {
        let old = self.get().shape();
        let new = Shape::of(old.key_len, value.len(), old.has(DEADLINE));
        if new.flags != old.flags || new.capacity() != old.capacity() {
            return false;
        }
        // SAFETY: flags and capacity are the same, so are the places of all parts, and the value fits; `value` cannot
        // overlap an allocation that is borrowed exclusively.
        unsafe {
            write_header(self.0, new);
            let at = self.0.add(new.key_offset() + new.key_len);
            at.copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
        }
        true
    }

    /// Overwrites the deadline in place; false if there is none or shall be none.
    pub(crate) fn try_set_deadline(&mut self, deadline: Option<i64>) -> bool {
        match deadline {
            None => !self.get().shape().has(DEADLINE),
            Some(_) if !self.get().shape().has(DEADLINE) => false,
            Some(deadline) => {
                // SAFETY: DEADLINE announces the place.
                unsafe { write_word(self.0.add(3), deadline as u64) };
                true
            }
        }
    }
}

/// # Safety
/// `base` points to `shape.capacity()` bytes owned by the caller.
unsafe fn write_header(base: NonNull<u8>, shape: Shape) {
    // SAFETY: the parts written lie before the key, inside the allocation.
    unsafe {
        if !shape.has(EXTENDED) {
            base.write(shape.key_len as u8);
            base.add(1).write(shape.value_len as u8);
            return;
        }
        let (key_len, value_len) = if shape.has(LONG) { (0, 0) } else { (shape.key_len, shape.value_len) };
        base.write(shape.flags);
        base.add(1).write(key_len as u8);
        base.add(2).write(value_len as u8);
        if shape.has(LONG) {
            let lengths = base.add(shape.lengths_offset());
            write_word(lengths, shape.key_len as u64);
            write_word(lengths.add(8), shape.value_len as u64);
        }
    }
}

impl Drop for Element {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, which follows from the lengths.
        unsafe { dealloc(self.0.as_ptr(), self.get().shape().layout()) };
    }
}

impl<'a> ElementRef<'a> {
    /// Borrows an element from its raw pointer.
    ///
    /// # Safety
    /// `raw` comes from [`Element::into_raw`], and its element is neither changed nor dropped during 'a.
    pub(super) unsafe fn from_raw(raw: *mut u8) -> ElementRef<'a> {
        // SAFETY: into_raw never returns null.
        ElementRef { raw: unsafe { NonNull::new_unchecked(raw) }, owner: PhantomData }
    }

    /// The address, as [`Element::into_raw`] gives it. Only who borrowed the element exclusively may write through it.
    pub(super) fn raw(self) -> *mut u8 {
        self.raw.as_ptr()
    }

    #[inline]
    fn shape(self) -> Shape {
        // SAFETY: the header is initialised, and has the parts that its first byte announces.
        unsafe {
            let first = self.raw.read();
            let second = usize::from(self.raw.add(1).read());
            if first & EXTENDED == 0 {
                return Shape { flags: 0, key_len: usize::from(first), value_len: second };
            }
            let shape = Shape { flags: first, key_len: second, value_len: usize::from(self.raw.add(2).read()) };
            if first & LONG == 0 {
                return shape;
            }
            let lengths = self.raw.add(shape.lengths_offset());
            Shape { flags: first, key_len: read_word(lengths) as usize, value_len: read_word(lengths.add(8)) as usize }
        }
    }

    /// The key.
    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the key's bytes are initialised and unchanged during 'a.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(shape.key_offset()), shape.key_len) }
    }

    /// The value; empty where there is none.
    #[inline]
    pub(crate) fn value(self) -> &'a [u8] {
        let shape = self.shape();
        let offset = shape.key_offset() + shape.key_len;
        // SAFETY: the value's bytes are initialised and unchanged during 'a.
        unsafe { std::slice::from_raw_parts(self.raw.as_ptr().add(offset), shape.value_len) }
    }

    /// The deadline, ms since the Unix epoch.
    pub(crate) fn deadline(self) -> Option<i64> {
        // SAFETY: DEADLINE announces the word.
        self.shape().has(DEADLINE).then(|| unsafe { read_word(self.raw.add(3)) } as i64)
    }

    /// Bytes of the allocation.
    pub(crate) fn memory(self) -> usize {
        self.shape().capacity()
    }
}

impl Keyed for Element {
    #[inline]
    unsafe fn key_of<'a>(raw: *mut u8) -> &'a [u8] {
        // SAFETY: by the caller.
        unsafe { ElementRef::from_raw(raw) }.key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_of_parts_reads_back() {
        for key_len in [0usize, 1, 127, 128, 255, 256, 5000] {
            for value_len in [0usize, 1, 8, 255, 256, 100_000] {
                for deadline in [None, Some(0), Some(-1), Some(i64::MAX)] {
                    let (key, value) = (vec![b'k'; key_len], vec![b'v'; value_len]);
                    let element = Element::new(&key, &value, deadline);
                    let read = element.get();
                    assert_eq!((read.key(), read.value(), read.deadline()), (&key[..], &value[..], deadline));
                    assert!(read.memory() >= key_len + value_len);
                }
            }
        }
    }

    #[test]
    fn small_elements_take_the_classes_they_are_meant_for() {
        let memory =
            |key: usize, value: usize, deadline| Element::new(&vec![0; key], &vec![0; value], deadline).get().memory();
        assert_eq!(memory(6, 0, None), 8);
        assert_eq!(memory(10, 0, None), 16);
        assert_eq!(memory(14, 8, None), 32);
        assert_eq!(memory(14, 16, None), 32);
        assert_eq!(memory(14, 16, Some(1)), 48);
    }

    #[test]
    fn values_are_replaced_in_place_exactly_within_a_class_and_layout() {
        for key_len in [1usize, 126, 130, 300] {
            for deadline in [None, Some(7)] {
                for old_len in [0usize, 5, 13, 16, 200, 255, 256, 300] {
                    for new_len in [0usize, 4, 13, 17, 254, 256, 299, 320] {
                        let (key, old, new) = (vec![1; key_len], vec![2; old_len], vec![3; new_len]);
                        let mut element = Element::new(&key, &old, deadline);
                        let fresh = Element::new(&key, &new, deadline);
                        let fits = fresh.get().memory() == element.get().memory()
                            && fresh.get().shape().flags == element.get().shape().flags;
                        assert_eq!(element.try_set_value(&new), fits);
                        let read = element.get();
                        assert_eq!((read.key(), read.deadline()), (&key[..], deadline));
                        assert_eq!(read.value(), if fits { &new[..] } else { &old[..] });
                    }
                }
            }
        }
    }

    #[test]
    fn a_deadline_is_replaced_in_place_but_neither_added_nor_taken() {
        let mut with = Element::new(b"key", b"value", Some(1));
        assert!(with.try_set_deadline(Some(2)) && !with.try_set_deadline(None));
        assert_eq!(
            (with.get().key(), with.get().value(), with.get().deadline()),
            (&b"key"[..], &b"value"[..], Some(2))
        );
        let mut without = Element::new(b"key", b"value", None);
        assert!(without.try_set_deadline(None) && !without.try_set_deadline(Some(2)));
        assert_eq!(without.get().deadline(), None);
    }
}
