//! The primitives under the locks: the standard ones, or loom's where a model checks every interleaving.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
};
use std::sync::PoisonError;
#[cfg(not(loom))]
pub(crate) use std::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    sync::{Condvar, Mutex, MutexGuard},
};

/// Most parties that may be registered at a time. Loom pays for every slot.
pub(crate) const PARTIES_MAX: usize = if cfg!(loom) { 4 } else { 64 };

/// Locks a mutex. Every critical section here leaves its data whole, so poison is ignored.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes `value` so that a later SeqCst load by this thread cannot be satisfied before others can see the write.
#[inline]
pub(crate) fn announce(word: &AtomicU32, value: u32) {
    word.swap(value, Ordering::SeqCst);
    // Loom takes SeqCst accesses for AcqRel ones and knows the total order only from fences.
    #[cfg(loom)]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// Tells the processor, or the model, that this is a spin loop.
pub(crate) fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(not(loom))]
    std::hint::spin_loop();
}
