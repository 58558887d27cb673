//! Deadlines as they stand in entries: in four bytes, if they are near, else in eight.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

/// The high bits of the flags: with EXPIRY the era of a short deadline or one of the two marks below, else zero.
pub(super) const ERA_SHIFT: u32 = 4;
/// A place for a short deadline, without one.
pub(super) const NO_ERA: u8 = 14;
/// The deadline takes eight bytes.
pub(super) const WIDE: u8 = 15;

/// Where short deadlines count from, ms since the Unix epoch: set once, by the first deadline.
pub(super) static EPOCH_MS: AtomicI64 = AtomicI64::new(UNKNOWN);
const UNKNOWN: i64 = i64::MIN;
/// How long before the first deadline they start: four eras, more than half a year.
const EARLIER_MS: i64 = 4 << 32;

/// Marks a wide deadline field without deadline.
pub(super) const NO_DEADLINE: i64 = i64::MIN;

/// A deadline as it stands in an entry.
///
/// The short form counts from [`EPOCH_MS`] in eras of 2³² ms, which are 50 days.
#[derive(Clone, Copy)]
pub(super) enum Deadline {
    Short { era: u8, ms: u32 },
    Wide(i64),
}

impl Deadline {
    /// The shortest form of a deadline.
    pub(super) fn of(deadline_ms: i64) -> Deadline {
        let mut epoch_ms = EPOCH_MS.load(Relaxed);
        if epoch_ms == UNKNOWN {
            let start = deadline_ms.saturating_sub(EARLIER_MS).max(UNKNOWN + 1);
            epoch_ms =
                EPOCH_MS.compare_exchange(UNKNOWN, start, Relaxed, Relaxed).map_or_else(|other| other, |_| start);
        }
        let offset = i128::from(deadline_ms) - i128::from(epoch_ms);
        match u64::try_from(offset) {
            Ok(offset) if offset >> 32 < u64::from(NO_ERA) => {
                Deadline::Short { era: (offset >> 32) as u8, ms: offset as u32 }
            }
            _ => Deadline::Wide(deadline_ms),
        }
    }

    #[inline]
    pub(super) fn era(self) -> u8 {
        match self {
            Deadline::Short { era, .. } => era,
            Deadline::Wide(_) => WIDE,
        }
    }

    /// The deadline in ms since the Unix epoch; nothing if it is a place without one.
    #[inline]
    pub(super) fn ms(self) -> Option<i64> {
        match self {
            Deadline::Short { era: NO_ERA, .. } => None,
            // Does not overflow, since `of` subtracted.
            Deadline::Short { era, ms } => Some(EPOCH_MS.load(Relaxed) + (i64::from(era) << 32 | i64::from(ms))),
            Deadline::Wide(ms) => (ms != NO_DEADLINE).then_some(ms),
        }
    }

    /// # Safety
    /// `at` is aligned to 8, with room for this form: 4 bytes, or 8 if wide.
    pub(super) unsafe fn write(self, at: NonNull<u8>) {
        match self {
            // SAFETY: by the caller.
            Deadline::Short { ms, .. } => unsafe { at.cast::<u32>().write(ms) },
            // SAFETY: by the caller.
            Deadline::Wide(ms) => unsafe { at.cast::<i64>().write(ms) },
        }
    }

    /// # Safety
    /// A deadline of this era was written at `at`.
    #[inline]
    pub(super) unsafe fn read(at: NonNull<u8>, era: u8) -> Deadline {
        if era == WIDE {
            // SAFETY: by the caller.
            return Deadline::Wide(unsafe { at.cast::<i64>().read() });
        }
        // SAFETY: by the caller.
        Deadline::Short { era, ms: unsafe { at.cast::<u32>().read() } }
    }
}
