//! Random members.

use super::value::SortedSet;
use crate::collection::OrderedSet;
use crate::error::Error;
use crate::random::Random;
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// A random member. Nothing if there is no such key.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
pub fn random<'a>(txn: &'a mut Txn<'_>, db: usize, key: Key<'_>) -> Result<Option<Str<'a>>, Error> {
    let mut random = sequence(txn, &key)?;
    Ok(txn.value::<SortedSet>(db, &key)?.and_then(|set| set.random(&mut random)).map(|(member, _)| member))
}

/// Lets `visit` see `count` random members with their scores, each as likely every time, until it returns false.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
pub fn random_repeated(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    count: usize,
    visit: &mut dyn FnMut(Str<'_>, f64) -> bool,
) -> Result<(), Error> {
    let mut random = sequence(txn, &key)?;
    match txn.value::<SortedSet>(db, &key)? {
        None => {}
        Some(set @ SortedSet::Pack(_)) if count > 1 => {
            // Finding a place in a listpack takes a walk, so that is done once for all.
            let all: Vec<_> = set.members(0..usize::MAX, false).collect();
            for _ in 0..count {
                let Some((member, score)) = all.get(random.below(all.len())) else { break };
                if !visit(*member, *score) {
                    break;
                }
            }
        }
        Some(set) => {
            for _ in 0..count {
                let Some((member, score)) = set.random(&mut random) else { break };
                if !visit(member, score) {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Lets `visit` see `count` different random members with their scores; all if there are no more.
///
/// # Errors
/// [`Error::WrongType`] if the key holds something else.
pub fn random_distinct(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    count: usize,
    visit: &mut dyn FnMut(Str<'_>, f64),
) -> Result<(), Error> {
    let mut random = sequence(txn, &key)?;
    let Some(set) = txn.value::<SortedSet>(db, &key)? else { return Ok(()) };
    let len = set.len();
    if count >= len {
        set.members(0..len, true).for_each(|(member, score)| visit(member, score));
        return Ok(());
    }
    match set {
        SortedSet::Pack(_) => {
            // Each member in turn is taken as likely as so many are still wanted of those that are left.
            let mut wanted = count;
            for (passed, (member, score)) in set.members(0..len, false).enumerate() {
                if random.below(len - passed) < wanted {
                    wanted -= 1;
                    visit(member, score);
                }
            }
        }
        SortedSet::Order(members) => visit_distinct(members, count, &mut random, visit),
    }
    Ok(())
}

fn visit_distinct(members: &OrderedSet, count: usize, random: &mut Random, visit: &mut dyn FnMut(Str<'_>, f64)) {
    for (member, score) in members.random_distinct(count, random) {
        visit(Str::Bytes(member), score);
    }
}

/// A sequence of random numbers, drawn from that of the key's shard.
fn sequence(txn: &mut Txn<'_>, key: &Key<'_>) -> Result<Random, Error> {
    Ok(Random::new(txn.shard(key.shard())?.0.random.next_u64()))
}

impl SortedSet {
    fn random(&self, random: &mut Random) -> Option<(Str<'_>, f64)> {
        match self {
            SortedSet::Pack(_) => {
                let rank = random.below(self.len());
                self.members(rank..rank + 1, false).next()
            }
            SortedSet::Order(members) => members.random(random).map(|(member, score)| (Str::Bytes(member), score)),
        }
    }
}
