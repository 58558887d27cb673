//! Taking random members out of a set.

use super::limits::Limits;
use super::sample::Choice;
use super::value::Set;
use crate::effects::EventClass;
use crate::error::Error;
use crate::intset::Intset;
use crate::listpack::Listpack;
use crate::random::Random;
use crate::raw::entry::Str;
use crate::store::{Key, Store};
use crate::txn::Txn;

/// A set of which so many times as many members are taken out as stay is made anew of those that stay.
const ANEW_FACTOR: usize = 5;

/// Shows a random member of a set to `see` and removes it. `None` if there is no such key; errs with `WrongType`.
#[inline]
pub fn pop<R>(txn: &mut Txn<'_>, db: usize, key: Key<'_>, see: impl FnOnce(Str<'_>) -> R) -> Result<Option<R>, Error> {
    let Some(mut open) = txn.open::<Set>(db, &key)? else { return Ok(None) };
    let mut taken = Vec::new();
    let by_parts = open.by_parts();
    let (set, around) = open.parts();
    let seen = set.take_random(around.random, |member| {
        taken.extend(by_parts.then(|| copied(member)));
        see(member)
    });
    open.keep_taken(&taken);
    open.changed(EventClass::Set, "spop");
    open.close(Set::is_empty);
    Ok(seen)
}

/// Shows up to `count` random members of a set to `see`, removes them, and returns how many there were. Errs with
/// `WrongType`.
pub fn pop_many(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    count: usize,
    mut see: impl FnMut(Str<'_>),
) -> Result<usize, Error> {
    let (limits, store) = (txn.settings().set_limits(), txn.store());
    let Some(mut open) = txn.open::<Set>(db, &key)? else { return Ok(0) };
    if count == 0 {
        return Ok(0);
    }
    open.changed(EventClass::Set, "spop");
    let (set, around) = open.parts();
    let count = count.min(set.len());
    around.effects.dirty += count as u64 - 1;
    let remaining = set.len() - count;
    if remaining == 0 {
        set.for_each(see);
        open.close(|_| true);
        return Ok(count);
    }
    if remaining * ANEW_FACTOR > count {
        if !open.keeps(count)? {
            let (set, around) = open.parts();
            set.take_some(count, around.random, see);
            return Ok(count);
        }
        let mut taken = Vec::new();
        let (set, around) = open.parts();
        set.take_some(count, around.random, |member| {
            taken.push(copied(member));
            see(member);
        });
        open.keep_taken(&taken);
    } else {
        let kept = set.made_anew(remaining, around.random, &limits, store);
        set.for_each(|member| {
            if !kept.contains_str(member) {
                see(member);
            }
        });
        open.exchange(kept);
    }
    Ok(count)
}

fn copied(member: Str<'_>) -> Vec<u8> {
    member.as_bytes(&mut itoa::Buffer::new()).to_vec()
}

impl Set {
    /// Shows a random member to `see` and removes it; `None` of an empty set.
    #[inline]
    pub fn take_random<R>(&mut self, random: &mut Random, see: impl FnOnce(Str<'_>) -> R) -> Option<R> {
        match self {
            Set::Ints(ints) => {
                let number = ints.take(random.below(ints.len()))?;
                Some(see(Str::Int(number)))
            }
            Set::Pack(pack) => {
                let view = pack.view();
                let position = view.seek(random.below(view.len()) as i64)?;
                let seen = see(view.get(position));
                pack.delete(position);
                Some(seen)
            }
            Set::Table(members) => members.take_random(random).map(|member| see(Str::Bytes(&member))),
        }
    }

    /// Shows `count` random members, fewer than there are, to `see` and removes them.
    fn take_some(&mut self, count: usize, random: &mut Random, mut see: impl FnMut(Str<'_>)) {
        let mut choice = Choice::new(count, self.len());
        match self {
            Set::Table(_) => {
                for _ in 0..count {
                    self.take_random(random, &mut see);
                }
            }
            Set::Ints(ints) => {
                let mut kept = Intset::new();
                for number in ints.iter() {
                    if choice.next(random) {
                        see(Str::Int(number));
                    } else {
                        kept.insert(number);
                    }
                }
                *ints = kept;
            }
            Set::Pack(pack) => {
                let mut kept = Listpack::with_capacity(pack.bytes().len());
                for member in pack.view().iter() {
                    if choice.next(random) {
                        see(member);
                    } else {
                        kept.append(member);
                    }
                }
                kept.shrink_to_fit();
                *pack = kept;
            }
        }
    }

    /// A set of `count` random members, in the form that such a set takes when it is filled.
    fn made_anew(&self, count: usize, random: &mut Random, limits: &Limits, store: &Store) -> Set {
        let mut kept = match self {
            Set::Ints(_) => Some(Set::Ints(Intset::new())),
            Set::Pack(_) => Some(Set::Pack(Listpack::new())),
            Set::Table(_) if limits.packs => Some(Set::Pack(Listpack::new())),
            Set::Table(_) => None,
        };
        self.random_distinct(count, random, |member| {
            let first = |set: &mut Option<Set>| {
                let new = || Set::for_members(member.as_bytes(&mut itoa::Buffer::new()), 1, limits, store);
                set.get_or_insert_with(new).insert_str(member, limits, store)
            };
            first(&mut kept);
        });
        kept.unwrap_or_else(|| Set::Ints(Intset::new()))
    }
}
