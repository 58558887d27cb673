//! Long strings that a snapshot takes in pieces: what it knows of one goes wherever the buffer goes.

use super::{Entry, OUTLINE, TAKEN};
use crate::snapshot::Budget;
use crate::string::taking::TextTaking;
use std::ops::Range;
use std::ptr::NonNull;

/// What a snapshot knows of a string, and the capacity of its buffer, in whose place the entry has a pointer to this.
pub(super) struct Rider {
    pub(super) capacity: usize,
    taking: Box<TextTaking>,
}

impl Entry {
    /// Whether the string lies in a buffer of its own.
    pub(crate) fn is_outline(&self) -> bool {
        self.header().flags & OUTLINE != 0
    }

    /// How far a snapshot is with the string, if it takes it in pieces.
    pub(crate) fn text_taking(&self) -> Option<&TextTaking> {
        // SAFETY: the rider belongs to the entry, which is borrowed.
        self.rider().map(|rider| &*unsafe { rider.as_ref() }.taking)
    }

    /// Has a snapshot take the string, which must lie in a buffer of its own, in pieces.
    pub(crate) fn begin_taking(&mut self, taking: TextTaking) {
        debug_assert!(self.is_outline() && self.rider().is_none());
        self.mount(Box::new(taking));
    }

    /// To be called before bytes in `changing` change, or go.
    pub(crate) fn before_text_change(&mut self, changing: Range<usize>) {
        if let Some(mut taking) = self.dismount() {
            let bytes = self.string();
            if let Ok(super::Str::Bytes(bytes)) = bytes {
                taking.before_change(bytes, changing);
            }
            self.mount(taking);
        }
    }

    /// Has the snapshot take some bytes that it does not have yet. True if it has all of them.
    pub(crate) fn take_text(&mut self, budget: &mut Budget) -> bool {
        let Some(mut taking) = self.dismount() else { return true };
        let bytes = self.string();
        let is_whole = match bytes {
            Ok(super::Str::Bytes(bytes)) => taking.take_some(bytes, budget),
            _ => true,
        };
        if is_whole {
            taking.finish();
        } else {
            self.mount(taking);
        }
        is_whole
    }

    /// Takes out what a snapshot knows of the string: for as long as the buffer is changed, or has left.
    pub(super) fn dismount(&mut self) -> Option<Box<TextTaking>> {
        let rider = self.rider()?;
        // SAFETY: the rider comes from a Box and belongs to the entry, which forgets it here.
        let rider = unsafe { Box::from_raw(rider.as_ptr()) };
        self.header_mut().kind &= !TAKEN;
        // SAFETY: OUTLINE announces a triple, whose third word is that of the capacity.
        unsafe { self.value_at().cast::<usize>().add(2).write_unaligned(rider.capacity) };
        Some(rider.taking)
    }

    /// Puts back what [`dismount`](Entry::dismount) has taken out.
    pub(super) fn mount(&mut self, taking: Box<TextTaking>) {
        let capacity = self.buffer_capacity();
        let rider = Box::into_raw(Box::new(Rider { capacity, taking }));
        // SAFETY: as in dismount(): a pointer has the size of the word.
        unsafe { self.value_at().cast::<*mut Rider>().add(2).write_unaligned(rider) };
        self.header_mut().kind |= TAKEN;
    }

    /// What stands in the place of the capacity.
    pub(super) fn rider(&self) -> Option<NonNull<Rider>> {
        if self.header().kind & TAKEN == 0 {
            return None;
        }
        // SAFETY: TAKEN announces a pointer to a rider in the third word of the triple.
        NonNull::new(unsafe { self.value_at().cast::<*mut Rider>().add(2).read_unaligned() })
    }
}
