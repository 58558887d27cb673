//! The thread that frees what would hold up a command: big values, whole databases, retired bucket arrays.

use crate::memory;
use crate::order::Tree;
use crate::raw::element::Element;
use crate::raw::entry::Entry;
use crate::raw::hint::{Hints, Retired};
use crate::raw::keys::Keys;
use crate::raw::members::{Handle, Members};
use crate::snapshot::Removed;
use crate::value::Value;
use ahash::RandomState;
use crossbeam_utils::CachePadded;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Buffers of at least this size are freed by the thread.
pub(crate) const LARGE_BYTES: usize = 64 << 10;
/// Values of more allocations are freed by the thread.
const MANY_PIECES: usize = 64;

/// The usual fill of tables that are about to grow: nearly the seven slots a bucket has.
const BUCKET_FILL_TENTHS: usize = 66;

/// Something that dropping frees.
pub struct Garbage(Content);

enum Content {
    Entry(Entry),
    Value(Value),
    Element(Element),
    Bytes(Vec<u8>),
    Keys(Keys),
    /// With the number of the next bucket to be freed; nothing if all have been.
    Members(Members, Option<Tree<Handle>>, Option<usize>),
    Array(Retired),
}

impl std::fmt::Debug for Garbage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Garbage").field(&self.bytes()).finish()
    }
}

impl Garbage {
    pub(crate) fn keys(keys: Keys) -> Garbage {
        Garbage(Content::Keys(keys))
    }

    /// Members that are not used any more, and the order they stood in, if any. A snapshot that still takes them gets them.
    pub(crate) fn members(mut members: Members, order: Option<Tree<Handle>>) -> Garbage {
        members.sever();
        Garbage(Content::Members(members, order, Some(0)))
    }

    pub(crate) fn value(value: Value) -> Garbage {
        Garbage(Content::Value(value))
    }

    pub(crate) fn buffer(bytes: Vec<u8>) -> Garbage {
        Garbage(Content::Bytes(bytes))
    }

    pub(crate) fn element(element: Element) -> Garbage {
        Garbage(Content::Element(element))
    }

    /// Frees a piece of something big; false when the rest is little enough to be freed at once.
    fn free_some(&mut self) -> bool {
        let Content::Members(members, _, from) = &mut self.0 else { return false };
        if let Some(bucket) = *from {
            *from = members.free_some(bucket);
        }
        from.is_some()
    }

    /// A lower bound of the memory that dropping gives back, where that is known cheaply.
    fn bytes(&self) -> usize {
        match &self.0 {
            Content::Value(value) => value.view().memory(),
            Content::Entry(entry) => entry.memory(),
            Content::Element(element) => element.get().memory(),
            Content::Bytes(bytes) => bytes.capacity(),
            Content::Members(members, order, _) => members.memory() + order.as_ref().map_or(0, Tree::bytes),
            Content::Keys(_) => 0,
            Content::Array(array) => array.bytes(),
        }
    }

    /// How many keys `lazyfree_pending_objects` counts for it.
    fn objects(&self) -> usize {
        match &self.0 {
            Content::Value(_) | Content::Entry(_) | Content::Bytes(_) | Content::Members(..) => 1,
            Content::Keys(keys) => keys.len(),
            Content::Array(_) | Content::Element(_) => 0,
        }
    }
}

/// Counters of what waits and what was freed.
#[derive(Default)]
pub(crate) struct FreeCounters {
    pub(crate) pending_bytes: AtomicUsize,
    pub(crate) pending_objects: AtomicUsize,
    pub(crate) freed_objects: AtomicUsize,
    /// Bytes of bucket arrays that the allocator does not know of.
    pub(crate) mapped_bytes: AtomicUsize,
}

/// What all tables of a store share.
pub(crate) struct Core {
    hasher: RandomState,
    pub(crate) hints: Arc<Hints>,
    pub(crate) free: Arc<FreeCounters>,
    sender: Sender<Task>,
    /// Entries a bucket on average, times ten, above which tables double.
    bucket_fill_tenths: AtomicUsize,
    /// How many want tables to stay as large as they are.
    table_holders: AtomicUsize,
}

/// As long as it lives, tables neither grow nor shrink unless that is overdue by far.
#[must_use]
pub struct HeldTables(Arc<Core>);

impl HeldTables {
    pub(crate) fn new(core: Arc<Core>) -> HeldTables {
        core.table_holders.fetch_add(1, Relaxed);
        HeldTables(core)
    }
}

impl Drop for HeldTables {
    fn drop(&mut self) {
        self.0.table_holders.fetch_sub(1, Relaxed);
    }
}

impl std::fmt::Debug for HeldTables {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HeldTables")
    }
}

/// Whether an entry takes long to free, or to copy.
pub(crate) fn is_large(entry: &Entry) -> bool {
    entry.buffer_capacity() >= LARGE_BYTES
        || entry.value().pieces() > MANY_PIECES
        || entry.value().memory() >= LARGE_BYTES
}

/// What the thread is asked to do.
enum Task {
    /// Free something that the counters know of.
    Free(Garbage),
    /// Free something that somebody waits for, and tell them.
    FreeThen(Vec<Garbage>, Box<dyn FnOnce() + Send>),
}

impl Core {
    /// Starts the freeing thread, which ends when the core and all tables are gone.
    pub(crate) fn new(seed: [u64; 4], hints: usize) -> Arc<Core> {
        let [a, b, c, d] = seed;
        let (sender, receiver) = channel();
        let hints = Arc::new(Hints::new(hints));
        let free = Arc::new(FreeCounters::default());
        let thread = std::thread::Builder::new().name("store-free".into());
        let (thread_hints, counters) = (hints.clone(), free.clone());
        // Without a thread, send() fails below, and the sender frees on the spot.
        drop(thread.spawn(move || run(&receiver, &thread_hints, &counters)));
        Arc::new(Core {
            hasher: RandomState::with_seeds(a, b, c, d),
            hints,
            free,
            sender,
            bucket_fill_tenths: AtomicUsize::new(BUCKET_FILL_TENTHS),
            table_holders: AtomicUsize::new(0),
        })
    }

    /// Entries a bucket on average, times ten, above which tables double; never 0.
    #[inline]
    pub(crate) fn bucket_fill_tenths(&self) -> usize {
        self.bucket_fill_tenths.load(Relaxed)
    }

    /// Sets [`Core::bucket_fill_tenths`]; none: to what is usual.
    pub(crate) fn set_bucket_fill_tenths(&self, tenths: Option<usize>) {
        self.bucket_fill_tenths.store(tenths.unwrap_or(BUCKET_FILL_TENTHS).max(1), Relaxed);
    }

    /// Whether tables are to stay as large as they are unless that is wrong by far.
    pub(crate) fn tables_are_held(&self) -> bool {
        self.table_holders.load(Relaxed) != 0
    }

    /// The keyed hash function.
    pub(crate) fn hasher(&self) -> &RandomState {
        &self.hasher
    }

    /// The keyed hash of a key.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        hasher.finish()
    }

    /// Counts newly mapped bytes.
    pub(crate) fn mapped(&self, bytes: usize) {
        if bytes > 0 {
            self.free.mapped_bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// Hands a bucket array to the thread.
    pub(crate) fn retire(&self, array: Retired) {
        self.later(Garbage(Content::Array(array)));
    }

    /// Frees the entry that another has taken the place of, if any.
    #[inline]
    pub(crate) fn replaced(&self, entry: Option<Removed>) {
        if let Some(entry) = entry {
            self.entry(entry);
        }
    }

    /// Frees an entry that was removed: here if that is quickly done. If a snapshot still needs it, it gets it first.
    pub(crate) fn entry(&self, removed: Removed) {
        let Some(mut entry) = removed.hand_over() else { return };
        if entry.buffer_capacity() >= LARGE_BYTES {
            self.later(Garbage(Content::Entry(entry)));
        } else if !entry.is_folded()
            && let Some(value) = entry.take_value()
        {
            self.value(value);
        }
    }

    /// Frees a value: here if that is quickly done.
    pub(crate) fn value(&self, value: Value) {
        let view = value.view();
        if view.pieces() > MANY_PIECES || view.memory() >= LARGE_BYTES {
            self.later(value.into_garbage());
        }
    }

    /// Hands something to the thread.
    pub(crate) fn later(&self, garbage: Garbage) {
        self.free.pending_bytes.fetch_add(garbage.bytes(), Relaxed);
        self.free.pending_objects.fetch_add(garbage.objects(), Relaxed);
        self.send(Task::Free(garbage));
    }

    /// Hands something to the thread, which calls `done` when all of it is freed.
    pub(crate) fn later_then(&self, garbage: Vec<Garbage>, done: Box<dyn FnOnce() + Send>) {
        self.send(Task::FreeThen(garbage, done));
    }

    fn send(&self, task: Task) {
        if let Err(unsent) = self.sender.send(task)
            && let Some(done) = work(unsent.0, &self.free, &|| ())
        {
            done();
        }
    }
}

fn run(receiver: &Receiver<Task>, hints: &Hints, counters: &FreeCounters) {
    let seat: Arc<CachePadded<_>> = hints.seat();
    while let Ok(task) = receiver.recv() {
        if let Some(done) = work(task, counters, &|| memory::publish(&seat)) {
            done();
        }
    }
    hints.depart(&seat);
}

/// Does a task and returns whom to tell. `publish` shows others what was freed.
fn work(task: Task, counters: &FreeCounters, publish: &dyn Fn()) -> Option<Box<dyn FnOnce() + Send>> {
    match task {
        Task::Free(mut garbage) => {
            while garbage.free_some() {
                publish();
                std::thread::yield_now();
            }
            free(garbage, counters, publish);
            None
        }
        Task::FreeThen(garbage, done) => {
            drop(garbage);
            publish();
            Some(done)
        }
    }
}

fn free(garbage: Garbage, counters: &FreeCounters, publish: &dyn Fn()) {
    let (bytes, objects) = (garbage.bytes(), garbage.objects());
    let mapped = if let Content::Array(array) = &garbage.0 { array.mapped_bytes() } else { 0 };
    drop(garbage);
    counters.mapped_bytes.fetch_sub(mapped, Relaxed);
    // First, or who asks meanwhile is told of memory that neither waits nor is free, and evicts for it.
    publish();
    counters.pending_bytes.fetch_sub(bytes, Relaxed);
    counters.pending_objects.fetch_sub(objects, Relaxed);
    counters.freed_objects.fetch_add(objects, Relaxed);
}
