//! A snapshot that is taken step by step, while the store changes.

use crate::keeper::{Keeper, difference, image_of};
use ochre_store::random::Random;
use ochre_store::snapshot::Snapshot;
use ochre_store::sync::ShardSet;
use ochre_store::{Clock, Effects, Member, Store, Txn};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

/// How fast it is taken, and how fast the store changes; each is a bound of a random number.
pub(crate) struct Pace {
    pub(crate) chains: usize,
    pub(crate) bytes: usize,
    /// Changes between two steps.
    pub(crate) changes: usize,
    /// How much time passes between two changes.
    pub(crate) ms: usize,
    /// After how many steps it is given up.
    pub(crate) cancels_after: Option<usize>,
}

/// Takes a snapshot while `change` works, and checks that it is as the store was at its cut. Returns what it kept, if it
/// was not given up.
pub(crate) fn take(
    store: &Arc<Store>,
    random: &mut Random,
    now_ms: &mut i64,
    pace: &Pace,
    change: &mut dyn FnMut(&mut Txn<'_>, &mut Random),
) -> Option<Arc<Keeper>> {
    let (writer, walker) = (store.register(), store.register());
    let keeper = Arc::new(Keeper::default());
    let (mut snapshot, expected) = with_all(&writer, *now_ms, |txn| {
        let expected = image_of(txn);
        (Snapshot::begin(txn, store, keeper.clone()).unwrap(), expected)
    });
    let per_step = 1 + random.below(pace.changes);
    let mut steps = 0;
    while pace.cancels_after != Some(steps)
        && snapshot.step(&walker, 1 + random.below(pace.chains), 1 + random.below(pace.bytes))
    {
        for _ in 0..random.below(per_step) {
            *now_ms += random.below(pace.ms) as i64;
            with_all(&writer, *now_ms, |txn| change(txn, random));
        }
        steps += 1;
    }
    if pace.cancels_after == Some(steps) {
        return None;
    }
    assert!(!keeper.twice.load(SeqCst), "a key was taken twice");
    let image = std::mem::take(&mut *keeper.image.lock().unwrap());
    assert!(image == expected, "{:.3000}", difference(&image, &expected));
    Some(keeper)
}

pub(crate) fn with_all<R>(member: &Member, now_ms: i64, act: impl FnOnce(&mut Txn<'_>) -> R) -> R {
    member.run(ShardSet::ALL, Clock { now_ms }, &mut Effects::default(), act)
}
