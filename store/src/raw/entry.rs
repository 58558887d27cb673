//! One key with its value in one allocation.
//!
//! ```text
//! header 8 │ deadline 4 or 8, if EXPIRY │ key length 8, capacity 8, if LONG │ key │ string, or value 9 if VALUE
//! ```
//!
//! A deadline within two years or so of the process' first one takes four bytes and the high bits of the flags
//! (see [`Deadline`]). Nothing behind it is aligned.
//!
//! The string is an `i64`, or the bytes of a short string, or (`OUTLINE`) pointer, length and capacity of a buffer; while a
//! snapshot takes that in pieces, a [`Rider`](taken::Rider) stands in place of the capacity. An entry of another type has
//! no string but a value (see [`slot`](super::slot)), whose bytes follow it if it is short and that takes less memory. The
//! allocation is rounded up to the allocator's size class, and its capacity remembered, so that a string can be overwritten
//! in place.

use super::deadline::{Deadline, ERA_SHIFT, NO_DEADLINE, NO_ERA, WIDE};
use super::slot::{self, InEntry, SLOT_BYTES};
use crate::error::Error;
use crate::value::{Value, ValueRef};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// A string.
    String = 0,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

/// The encoding of a value, as `OBJECT ENCODING` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// A string that is a 64-bit integer.
    Int = 0,
    /// A string of at most [`EMBSTR_MAX`] bytes that was set as a whole.
    Embstr,
    /// Any other string.
    Raw,
    /// A short list, set, sorted set or hash in one listpack.
    Listpack,
    /// A list of listpacks.
    Quicklist,
    /// A set of integers in one array.
    Intset,
    /// A large set or hash.
    Hashtable,
    /// A large sorted set.
    Skiplist,
    /// A stream.
    Stream,
}

/// Longest string with encoding [`Encoding::Embstr`].
pub const EMBSTR_MAX: usize = 44;

/// A string value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Str<'a> {
    /// An integer, standing for its decimal form.
    Int(i64),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> Str<'a> {
    /// The string's bytes; an integer is written into `space`.
    pub fn as_bytes<'s>(&self, space: &'s mut itoa::Buffer) -> &'s [u8]
    where
        'a: 's,
    {
        match *self {
            Str::Int(number) => space.format(number).as_bytes(),
            Str::Bytes(bytes) => bytes,
        }
    }

    /// The string's length in bytes.
    pub fn len(&self) -> usize {
        match *self {
            Str::Int(number) => itoa::Buffer::new().format(number).len(),
            Str::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether the string has no byte.
    pub fn is_empty(&self) -> bool {
        matches!(self, Str::Bytes(b"")) || self.len() == 0
    }

    /// A copy of the bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut itoa::Buffer::new()).to_vec()
    }
}

/// What a new entry shall hold.
pub(crate) enum Contents<'a> {
    Int(i64),
    Bytes(&'a [u8], Encoding),
    Buffer(Vec<u8>, Encoding),
    Value(Value),
    /// An empty listpack as the value of a hash or sorted set, with room for so many bytes.
    Pack(Type, usize),
}

const EXPIRY: u8 = 1;
const LONG: u8 = 2;
const OUTLINE: u8 = 4;
const VALUE: u8 = 8;

/// In the kind: a snapshot takes the string in pieces.
const TAKEN: u8 = 0x80;

/// In the units: says, as compared with its table's, whether a snapshot still has to take the entry as it is.
const MARK: u8 = 0x80;

const HEADER_BYTES: usize = 8;
const TRIPLE_BYTES: usize = 24;
/// Longest value kept inside the entry: beyond, a buffer of its own is as compact.
pub(crate) const EMBED_MAX: usize = 192;
const SHORT_KEY_MAX: usize = 255;
const ALIGN: usize = 8;

#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    /// Type in the low four bits; in the next three the encoding, if it is a string; the highest is [`TAKEN`].
    kind: u8,
    flags: u8,
    access: [u8; 3],
    /// Key length, unless `LONG`.
    key_len: u8,
    /// Length of an embedded string.
    value_len: u8,
    /// Size of the allocation in units of 8 bytes, unless `LONG`; the highest bit is [`MARK`].
    units: u8,
}

const _: () = assert!(size_of::<Header>() == HEADER_BYTES);
// All that is not LONG leaves that bit alone: twice this is more than any size class of it.
const _: () = assert!((HEADER_BYTES + 8 + SHORT_KEY_MAX + EMBED_MAX) * 2 <= MARK as usize * 8);
/// The largest allocation of an entry with a folded value, whose units leave the mark alone, too.
pub(super) const FOLDED_SIZE_MAX: usize = (MARK as usize - 1) * 8;

/// An entry. Owns its allocation and, if any, its buffer or value.
///
/// Invariant: points to `capacity()` bytes allocated with alignment 8, laid out as the module says, with every
/// field that the flags announce initialised; the place of the value holds one of the type in the header, or nothing if
/// that is a string.
#[repr(transparent)]
pub(crate) struct Entry(NonNull<u8>);

// SAFETY: an entry owns all it points to, like a Box.
unsafe impl Send for Entry {}
// SAFETY: nothing is changed through a shared reference.
unsafe impl Sync for Entry {}

/// The size class of jemalloc that `bytes` falls in: multiples of 16 up to 128, then four classes a doubling.
pub(crate) const fn size_class(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.next_multiple_of(16);
    }
    bytes.next_multiple_of(bytes.next_power_of_two() / 8)
}

fn layout(bytes: usize) -> Layout {
    // The size comes from lengths of live slices plus a few words, or is one that was allocated before.
    Layout::from_size_align(bytes, ALIGN).expect("an entry is smaller than the address space")
}

impl Entry {
    /// A new entry. `access` are the 24 bits of the access clock.
    pub(crate) fn new(key: &[u8], contents: Contents<'_>, deadline: Option<i64>, access: u32) -> Entry {
        let contents = match contents {
            Contents::Bytes(bytes, encoding) if bytes.len() > EMBED_MAX => Contents::Buffer(bytes.to_vec(), encoding),
            other => other,
        };
        let long = if key.len() > SHORT_KEY_MAX { LONG } else { 0 };
        let deadline = deadline.map(Deadline::of);
        let flags = deadline.map_or(0, |deadline| EXPIRY | deadline.era() << ERA_SHIFT) | long;
        let key_offset = key_offset(flags);
        let value_offset = key_offset + key.len();
        let folded = match &contents {
            Contents::Value(value) if long == 0 => {
                slot::foldable(value).and_then(|bytes| slot::folded_size(value_offset, bytes.len()))
            }
            Contents::Pack(kind, bytes) if long == 0 && slot::folds(*kind) => slot::folded_size(value_offset, *bytes),
            _ => None,
        };
        let contents = match contents {
            Contents::Pack(kind, bytes) if folded.is_none() => Contents::Value(slot::pack(kind, bytes)),
            other => other,
        };
        let (kind, value_bytes, value_len, part) = match &contents {
            Contents::Int(_) => (string_kind(Encoding::Int), 8, 0, 0),
            Contents::Bytes(bytes, encoding) => (string_kind(*encoding), bytes.len(), bytes.len() as u8, 0),
            Contents::Buffer(_, encoding) => (string_kind(*encoding), TRIPLE_BYTES, 0, OUTLINE),
            Contents::Value(value) => (value.kind() as u8, SLOT_BYTES, 0, VALUE),
            Contents::Pack(kind, _) => (*kind as u8, SLOT_BYTES, 0, VALUE),
        };
        let capacity = folded.unwrap_or_else(|| size_class(value_offset + value_bytes));
        let layout = layout(capacity);
        // SAFETY: the size is not zero.
        let Some(base) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let header = Header {
            kind,
            flags: flags | part,
            access: access_bytes(access),
            key_len: key.len() as u8,
            value_len,
            units: (capacity / 8) as u8 & !MARK,
        };
        // SAFETY: `capacity` bytes were allocated, enough for all parts by the sum above; base is aligned to 8, and so
        // is what stands right behind the header.
        unsafe {
            base.cast::<Header>().write(header);
            if let Some(deadline) = deadline {
                deadline.write(base.add(HEADER_BYTES));
            }
            if long != 0 {
                let words = base.add(key_offset - 16).cast::<usize>();
                words.write_unaligned(key.len());
                words.add(1).write_unaligned(capacity);
            }
            base.add(key_offset).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            let value = base.add(value_offset);
            match contents {
                Contents::Int(number) => value.cast::<i64>().write_unaligned(number),
                Contents::Bytes(bytes, _) => {
                    value.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
                }
                Contents::Buffer(buffer, _) => write_triple(value, buffer),
                Contents::Value(held) if folded.is_some() => slot::write_folded(value, held, value_offset, capacity),
                Contents::Value(held) => slot::write(value, held),
                Contents::Pack(..) => slot::write_folded_pack(value, value_offset, capacity),
            }
        }
        Entry(base)
    }

    /// The same entry with another deadline; a buffer or value moves there, and leaves an empty string here.
    pub(super) fn with_deadline(&mut self, deadline: Option<i64>) -> Entry {
        self.moved(None, deadline)
    }

    /// The same value, deadline and access clock under another key.
    pub(crate) fn rekeyed(mut self, key: &[u8]) -> Entry {
        let deadline = self.deadline();
        self.moved(Some(key), deadline)
    }

    fn moved(&mut self, key: Option<&[u8]>, deadline: Option<i64>) -> Entry {
        let taking = self.dismount();
        let (kind, access) = (self.header().kind, self.access());
        let (value, buffer) = (self.take_value(), self.take_buffer());
        let contents = match value {
            Some(value) => Contents::Value(value),
            None if buffer.capacity() > 0 => Contents::Buffer(buffer, encoding_of(kind)),
            None => string_contents(self.string_unchecked(), encoding_of(kind)),
        };
        let mut moved = Entry::new(key.unwrap_or(self.key()), contents, deadline, access);
        if let Some(taking) = taking {
            moved.mount(taking);
        }
        moved
    }

    /// A copy under another key, with the same deadline.
    pub(crate) fn copied(&self, key: &[u8], access: u32) -> Entry {
        let contents = match self.value() {
            ValueRef::String(string) => string_contents(string, self.encoding()),
            value => value.duplicate().map_or(Contents::Bytes(b"", Encoding::Embstr), Contents::Value),
        };
        Entry::new(key, contents, self.deadline(), access)
    }

    /// Gives up ownership. The pointer is for [`from_raw`](Entry::from_raw).
    pub(super) fn into_raw(self) -> *mut u8 {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// Borrows an entry.
    ///
    /// # Safety
    /// As [`from_raw`](Entry::from_raw); the result must not be used when the entry's owner has dropped it.
    pub(super) unsafe fn borrow(raw: *mut u8) -> ManuallyDrop<Entry> {
        // SAFETY: by the caller.
        ManuallyDrop::new(unsafe { Entry::from_raw(raw) })
    }

    /// Takes back an entry.
    ///
    /// # Safety
    /// `raw` comes from [`into_raw`](Entry::into_raw) and its entry is alive and not accessible by another path
    /// while the result is used. Wrap the result in `ManuallyDrop` to borrow instead of own.
    pub(super) unsafe fn from_raw(raw: *mut u8) -> Entry {
        // SAFETY: into_raw never returns null.
        Entry(unsafe { NonNull::new_unchecked(raw) })
    }

    fn header(&self) -> &Header {
        // SAFETY: by the invariant the first bytes are an initialised, aligned header.
        unsafe { self.0.cast::<Header>().as_ref() }
    }

    fn header_mut(&mut self) -> &mut Header {
        // SAFETY: as in header(); exclusive by &mut self.
        unsafe { self.0.cast::<Header>().as_mut() }
    }

    /// Key length and capacity of a LONG entry.
    fn long_words(&self) -> (usize, usize) {
        debug_assert!(self.header().flags & LONG != 0);
        // SAFETY: LONG announces two initialised words right before the key.
        unsafe {
            let words = self.0.add(key_offset(self.header().flags) - 16).cast::<usize>();
            (words.read_unaligned(), words.add(1).read_unaligned())
        }
    }

    fn key_len(&self) -> usize {
        if self.header().flags & LONG == 0 { usize::from(self.header().key_len) } else { self.long_words().0 }
    }

    /// Size of the allocation.
    fn capacity(&self) -> usize {
        if self.header().flags & LONG == 0 { usize::from(self.header().units & !MARK) * 8 } else { self.long_words().1 }
    }

    fn value_offset(&self) -> usize {
        key_offset(self.header().flags) + self.key_len()
    }

    fn value_at(&self) -> NonNull<u8> {
        // SAFETY: the value lies inside the allocation.
        unsafe { self.0.add(self.value_offset()) }
    }

    /// The key.
    pub(crate) fn key(&self) -> &[u8] {
        // SAFETY: the key's bytes are initialised and live as long as the entry.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(key_offset(self.header().flags)), self.key_len()) }
    }

    /// The type of the value.
    #[inline]
    pub(crate) fn kind(&self) -> Type {
        match self.header().kind & 0x0f {
            0 => Type::String,
            1 => Type::List,
            2 => Type::Set,
            3 => Type::SortedSet,
            4 => Type::Hash,
            _ => Type::Stream,
        }
    }

    #[inline]
    fn is_string(&self) -> bool {
        self.header().kind & 0x0f == Type::String as u8
    }

    /// The encoding of the value.
    pub(crate) fn encoding(&self) -> Encoding {
        self.value().encoding(|| encoding_of(self.header().kind))
    }

    /// The string. Errs with `WrongType` if the value is none.
    #[inline]
    pub(crate) fn string(&self) -> Result<Str<'_>, Error> {
        if self.is_string() { Ok(self.string_unchecked()) } else { Err(Error::WrongType) }
    }

    /// The string; must be one.
    #[inline]
    fn string_unchecked(&self) -> Str<'_> {
        let header = self.header();
        debug_assert!(self.is_string());
        // SAFETY: encoding and flags tell which kind of string is initialised at this place. Where the value has been
        // taken out, the length is 0.
        unsafe {
            let value = self.value_at();
            if header.kind >> 4 == Encoding::Int as u8 {
                Str::Int(value.cast::<i64>().read_unaligned())
            } else if header.flags & OUTLINE != 0 {
                let (pointer, len, _) = read_triple(value);
                Str::Bytes(std::slice::from_raw_parts(pointer, len))
            } else {
                Str::Bytes(std::slice::from_raw_parts(value.as_ptr(), usize::from(header.value_len)))
            }
        }
    }

    /// The value, whatever its type.
    pub(crate) fn value(&self) -> ValueRef<'_> {
        if self.is_string() {
            return ValueRef::String(self.string_unchecked());
        }
        // SAFETY: by the invariant a value of this type stands there, borrowed as long as the entry.
        unsafe { slot::view(self.value_at(), self.kind()) }
    }

    /// The value, if it is of this type.
    #[inline]
    pub(crate) fn get<T: InEntry>(&self) -> Option<&T> {
        // SAFETY: by the invariant a value of the type in the header stands there, which is `T`.
        (self.header().kind == T::TYPE as u8).then(|| unsafe { self.value_at().cast::<T>().as_ref() })
    }

    /// The value for changes, if it is of this type.
    #[inline]
    pub(crate) fn get_mut<T: InEntry>(&mut self) -> Option<&mut T> {
        // SAFETY: as in get(); exclusive by &mut self.
        (self.header().kind == T::TYPE as u8).then(|| unsafe { self.value_at().cast::<T>().as_mut() })
    }

    /// Whether there is a value that is folded into the entry.
    #[inline]
    pub(crate) fn is_folded(&self) -> bool {
        // SAFETY: by the invariant a value of this type stands there.
        !self.is_string() && unsafe { slot::is_folded(self.value_at(), self.kind()) }
    }

    /// Whether the allocation is no larger than that of a new entry with the value, which is a `T`, and the value has
    /// none of its own that it need not have.
    #[inline]
    pub(super) fn is_settled<T: InEntry>(&self) -> bool {
        if !T::FOLDS {
            return true;
        }
        let Some(value) = self.get::<T>() else { return true };
        // SAFETY: a value of this type stands there.
        if unsafe { slot::is_folded(self.value_at(), T::TYPE) } {
            return true;
        }
        let offset = self.value_offset();
        let could_fold = self.header().flags & LONG == 0
            && value.foldable().is_some_and(|bytes| slot::folded_size(offset, bytes.len()).is_some());
        !could_fold && self.capacity() == size_class(offset + SLOT_BYTES)
    }

    /// Whether the value, which is a `T`, is folded and would fit a smaller allocation.
    pub(super) fn is_roomy<T: InEntry>(&self) -> bool {
        let least = || slot::folded_size(self.value_offset(), self.get::<T>()?.foldable()?.len());
        self.is_folded() && least().is_some_and(|least| least < self.capacity())
    }

    /// The same entry in an allocation of the right size; the value moves there, and leaves an empty string here.
    pub(super) fn settled(&mut self) -> Entry {
        let deadline = self.deadline();
        self.moved(None, deadline)
    }

    /// Takes the value out and leaves an empty string; nothing if it is a string.
    pub(crate) fn take_value(&mut self) -> Option<Value> {
        if self.is_string() {
            return None;
        }
        let kind = self.kind();
        // From here on the entry is a string without bytes, so the value has one owner only.
        self.header_mut().kind = string_kind(Encoding::Embstr);
        // SAFETY: by the invariant a value of this type stood there.
        Some(unsafe { slot::read(self.value_at(), kind) })
    }

    /// The deadline in ms since the Unix epoch.
    pub(crate) fn deadline(&self) -> Option<i64> {
        if self.header().flags & EXPIRY == 0 {
            return None;
        }
        // SAFETY: EXPIRY announces a deadline of the form that its era says, behind the header.
        unsafe { Deadline::read(self.0.add(HEADER_BYTES), self.header().flags >> ERA_SHIFT) }.ms()
    }

    /// The access clock, 24 bits.
    pub(crate) fn access(&self) -> u32 {
        let [a, b, c] = self.header().access;
        u32::from_le_bytes([a, b, c, 0])
    }

    pub(crate) fn set_access(&mut self, access: u32) {
        self.header_mut().access = access_bytes(access);
    }

    /// The mark, by which snapshots know what they have; clear in a new entry.
    #[inline]
    pub(super) fn mark(&self) -> bool {
        self.header().units & MARK != 0
    }

    #[inline]
    pub(super) fn set_mark(&mut self, mark: bool) {
        let header = self.header_mut();
        header.units = header.units & !MARK | (u8::from(mark) * MARK);
    }

    /// Bytes of memory behind this entry: its allocation and its buffer or value.
    pub(crate) fn memory(&self) -> usize {
        let value = if self.is_string() { 0 } else { self.value().memory() };
        self.capacity() + self.buffer_capacity() + value
    }

    /// Whether it is a string that lies in the entry itself.
    pub(crate) fn is_embedded(&self) -> bool {
        self.header().flags & (OUTLINE | VALUE) == 0
    }

    /// Capacity of the out-of-line buffer; 0 without one.
    pub(crate) fn buffer_capacity(&self) -> usize {
        if self.header().flags & OUTLINE == 0 {
            return 0;
        }
        match self.rider() {
            // SAFETY: the rider belongs to the entry, which is borrowed.
            Some(rider) => unsafe { rider.as_ref() }.capacity,
            // SAFETY: OUTLINE announces an initialised triple.
            None => unsafe { read_triple(self.value_at()).2 },
        }
    }

    /// Whether there is a place for a deadline, be it only a short one.
    #[inline]
    pub(crate) fn has_deadline_place(&self) -> bool {
        self.header().flags & EXPIRY != 0
    }

    /// Whether this deadline can be set in place.
    #[inline]
    pub(crate) fn has_room_for(&self, deadline: Option<i64>) -> bool {
        let Some(deadline) = deadline else { return true };
        let flags = self.header().flags;
        self.has_deadline_place() && (flags >> ERA_SHIFT == WIDE || Deadline::of(deadline).era() != WIDE)
    }

    /// The address, as [`into_raw`](Entry::into_raw) gives it.
    pub(super) fn raw(&self) -> *mut u8 {
        self.0.as_ptr()
    }

    /// Sets or clears the deadline if there is room for it; otherwise false and nothing is changed.
    pub(crate) fn try_set_deadline(&mut self, deadline: Option<i64>) -> bool {
        if !self.has_deadline_place() || !self.has_room_for(deadline) {
            return deadline.is_none();
        }
        let flags = self.header().flags;
        let deadline = match (flags >> ERA_SHIFT, deadline) {
            (WIDE, deadline) => Deadline::Wide(deadline.unwrap_or(NO_DEADLINE)),
            (_, None) => Deadline::Short { era: NO_ERA, ms: 0 },
            (_, Some(deadline)) => Deadline::of(deadline),
        };
        // SAFETY: EXPIRY announces the place; a wide deadline is written only where one stood.
        unsafe { deadline.write(self.0.add(HEADER_BYTES)) };
        self.header_mut().flags = flags & !(!0 << ERA_SHIFT) | deadline.era() << ERA_SHIFT;
        true
    }

    /// Bytes that a value may take in this allocation.
    fn value_room(&self) -> usize {
        self.capacity() - self.value_offset()
    }

    /// Replaces the value by an integer, in place, if that fits and nothing has to be freed.
    pub(crate) fn try_set_int(&mut self, number: i64) -> bool {
        if self.header().flags & (OUTLINE | VALUE) != 0 || !fits(self.value_room(), 8, self.capacity()) {
            return false;
        }
        // SAFETY: 8 bytes of room were just checked.
        unsafe { self.value_at().cast::<i64>().write_unaligned(number) };
        self.header_mut().kind = string_kind(Encoding::Int);
        true
    }

    /// Replaces the value by a string, in place, if that fits without waste and nothing has to be freed.
    pub(crate) fn try_set_bytes(&mut self, bytes: &[u8], encoding: Encoding) -> bool {
        debug_assert!(encoding != Encoding::Int);
        if self.header().flags & (OUTLINE | VALUE) != 0
            || bytes.len() > EMBED_MAX
            || !fits(self.value_room(), bytes.len(), self.capacity())
        {
            return false;
        }
        // SAFETY: the room was just checked; `bytes` cannot overlap an allocation borrowed exclusively.
        unsafe { self.value_at().copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        let header = self.header_mut();
        header.kind = string_kind(encoding);
        header.value_len = bytes.len() as u8;
        true
    }

    /// Gives the embedded string `len` bytes (new ones zero) and lets `edit` change them, if there is room.
    pub(crate) fn try_edit_embedded(&mut self, len: usize, edit: &mut dyn FnMut(&mut [u8])) -> bool {
        let header = self.header();
        if header.kind == string_kind(Encoding::Int) || header.flags & (OUTLINE | VALUE) != 0 {
            return false;
        }
        if len > EMBED_MAX || self.value_room() < len {
            return false;
        }
        let old = usize::from(self.header().value_len);
        // SAFETY: `len` bytes of room; those beyond the old length are initialised before the slice is made.
        let slice = unsafe {
            let value = self.value_at();
            if len > old {
                value.add(old).write_bytes(0, len - old);
            }
            std::slice::from_raw_parts_mut(value.as_ptr(), len)
        };
        edit(slice);
        let header = self.header_mut();
        header.kind = string_kind(Encoding::Raw);
        header.value_len = len as u8;
        true
    }

    /// Lets `edit` change the out-of-line buffer; false if there is none. The encoding becomes `encoding`.
    pub(crate) fn try_edit_buffer(&mut self, encoding: Encoding, edit: &mut dyn FnMut(&mut Vec<u8>)) -> bool {
        if self.header().flags & OUTLINE == 0 {
            return false;
        }
        let taking = self.dismount();
        let mut buffer = self.take_buffer();
        edit(&mut buffer);
        // SAFETY: OUTLINE announces room for a triple; the one there is empty and owns nothing.
        unsafe { write_triple(self.value_at(), buffer) };
        self.header_mut().kind = string_kind(encoding);
        if let Some(taking) = taking {
            self.mount(taking);
        }
        true
    }

    /// Takes the out-of-line buffer and leaves an empty one; an empty one if there is none. No snapshot may be taking it.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        debug_assert!(self.rider().is_none());
        if self.header().flags & OUTLINE == 0 {
            return Vec::new();
        }
        // SAFETY: OUTLINE announces a triple that came from a Vec, which is owned by this entry until it is overwritten
        // here.
        unsafe {
            let value = self.value_at();
            let (pointer, len, capacity) = read_triple(value);
            write_triple(value, Vec::new());
            Vec::from_raw_parts(pointer, len, capacity)
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.is_string() {
            let kind = self.kind();
            self.header_mut().kind = string_kind(Encoding::Embstr);
            // SAFETY: by the invariant a value of this type stood there; from here on the entry is a string without bytes.
            unsafe { slot::drop_in_place(self.value_at(), kind) };
        }
        match self.dismount() {
            Some(taking) => taking.sever(self.take_buffer()),
            None => drop(self.take_buffer()),
        }
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.0.as_ptr(), layout(self.capacity())) };
    }
}

/// Whether a value of `len` bytes fits into `room`, and would not leave more than half of `capacity` unused.
fn fits(room: usize, len: usize, capacity: usize) -> bool {
    len <= room && (capacity <= 64 || (room - len) * 2 <= capacity)
}

/// Where the key stands, by the flags. Looked up, since every access to an entry asks for it.
static OFFSETS: [u8; 256] = {
    let mut offsets = [0; 256];
    let mut flags = 0;
    while flags < 256 {
        let wide = flags >> ERA_SHIFT == WIDE as usize;
        let deadline = if flags & EXPIRY as usize == 0 { 0 } else { 4 + 4 * wide as usize };
        let long = if flags & LONG as usize == 0 { 0 } else { 16 };
        offsets[flags] = (HEADER_BYTES + deadline + long) as u8;
        flags += 1;
    }
    offsets
};

#[inline]
fn key_offset(flags: u8) -> usize {
    usize::from(OFFSETS[usize::from(flags)])
}

fn string_kind(encoding: Encoding) -> u8 {
    Type::String as u8 | (encoding as u8) << 4
}

/// The encoding of a string of this kind.
fn encoding_of(kind: u8) -> Encoding {
    match (kind & !TAKEN) >> 4 {
        0 => Encoding::Int,
        1 => Encoding::Embstr,
        _ => Encoding::Raw,
    }
}

fn string_contents(string: Str<'_>, encoding: Encoding) -> Contents<'_> {
    match string {
        Str::Int(number) => Contents::Int(number),
        Str::Bytes(bytes) => Contents::Bytes(bytes, encoding),
    }
}

fn access_bytes(access: u32) -> [u8; 3] {
    let [a, b, c, _] = access.to_le_bytes();
    [a, b, c]
}

/// # Safety
/// `at` has room for 24 bytes. Ownership of the buffer moves there.
unsafe fn write_triple(at: NonNull<u8>, buffer: Vec<u8>) {
    let mut buffer = ManuallyDrop::new(buffer);
    // SAFETY: the caller gives the room; the places are unaligned.
    unsafe {
        at.cast::<*mut u8>().write_unaligned(buffer.as_mut_ptr());
        at.add(8).cast::<usize>().write_unaligned(buffer.len());
        at.add(16).cast::<usize>().write_unaligned(buffer.capacity());
    }
}

/// # Safety
/// `at` is what `write_triple` wrote to.
unsafe fn read_triple(at: NonNull<u8>) -> (*mut u8, usize, usize) {
    // SAFETY: by the caller.
    unsafe {
        (
            at.cast::<*mut u8>().read_unaligned(),
            at.add(8).cast::<usize>().read_unaligned(),
            at.add(16).cast::<usize>().read_unaligned(),
        )
    }
}

mod taken;
#[cfg(test)]
mod tests;
