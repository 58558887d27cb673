//! Random fields.

use super::fields::Fields;
use super::value::{Hash, is_over};
use crate::collection::Field;
use crate::random::Random;
use crate::raw::entry::Str;
use std::collections::HashSet;

/// How often a field whose deadline has passed is drawn before it is believed that there are no others.
const TRIES: usize = 100;

impl<'a> Fields<'a> {
    /// Visits `count` random fields, each drawn anew, name and value, until `visit` returns false. Fewer if hardly any
    /// has not expired.
    pub fn random(self, count: usize, random: &mut Random, visit: &mut dyn FnMut(Str<'a>, Str<'a>) -> bool) {
        match self.hash {
            Hash::Pack(pack) => {
                let mut pairs = Vec::with_capacity(self.len());
                self.for_each(|name, value| pairs.push((name, value)));
                debug_assert_eq!(pairs.len(), pack.len() / 2);
                for _ in 0..count {
                    let Some((name, value)) = pairs.get(random.below(pairs.len())) else { break };
                    if !visit(*name, *value) {
                        break;
                    }
                }
            }
            Hash::Table(_) => {
                for _ in 0..count {
                    let Some(field) = self.random_live(random) else { break };
                    if !visit(Str::Bytes(field.name), Str::Bytes(field.value)) {
                        break;
                    }
                }
            }
        }
    }

    /// A random field.
    pub fn random_one(self, random: &mut Random) -> Option<(Str<'a>, Str<'a>)> {
        match self.hash {
            Hash::Pack(pack) => {
                let at = random.below(pack.len() / 2) as i64 * 2;
                let mut values = pack.view().iter_from(pack.view().seek(at)?);
                Some((values.next()?, values.next()?))
            }
            Hash::Table(_) => self.random_live(random).map(|field| (Str::Bytes(field.name), Str::Bytes(field.value))),
        }
    }

    /// Visits `count` different random fields, name and value; all if there are no more. Fewer if hardly any has not
    /// expired.
    pub fn random_distinct(self, count: usize, random: &mut Random, visit: &mut dyn FnMut(Str<'a>, Str<'a>)) {
        if count >= self.len() {
            return self.for_each(visit);
        }
        match self.hash {
            Hash::Pack(pack) => {
                // As many are wanted of those that are left, each is taken with the right probability.
                let (mut wanted, mut left) = (count, pack.len() / 2);
                self.for_each(|name, value| {
                    if random.below(left) < wanted {
                        visit(name, value);
                        wanted -= 1;
                    }
                    left -= 1;
                });
            }
            Hash::Table(fields) if fields.volatile_len() == 0 => {
                for field in fields.random_distinct(count, random) {
                    visit(Str::Bytes(field.name), Str::Bytes(field.value));
                }
            }
            Hash::Table(_) if count.saturating_mul(3) > self.len() => self.choose(count, random, visit),
            Hash::Table(_) => self.draw(count, random, visit),
        }
    }

    /// Chooses among all fields that have not expired.
    fn choose(self, count: usize, random: &mut Random, visit: &mut dyn FnMut(Str<'a>, Str<'a>)) {
        let mut live = Vec::new();
        self.for_each(|name, value| live.push((name, value)));
        for index in 0..count.min(live.len()) {
            let other = index + random.below(live.len() - index);
            live.swap(index, other);
        }
        live.truncate(count);
        live.into_iter().for_each(|(name, value)| visit(name, value));
    }

    /// Draws until there are enough different fields.
    fn draw(self, count: usize, random: &mut Random, visit: &mut dyn FnMut(Str<'a>, Str<'a>)) {
        let mut seen = HashSet::with_capacity(count);
        for _ in 0..count.saturating_mul(10) {
            if seen.len() == count {
                break;
            }
            let Some(field) = self.random_live(random) else { break };
            if seen.insert(field.name) {
                visit(Str::Bytes(field.name), Str::Bytes(field.value));
            }
        }
    }

    fn random_live(self, random: &mut Random) -> Option<Field<'a>> {
        let Hash::Table(fields) = self.hash else { return None };
        (0..TRIES).find_map(|_| fields.random(random).filter(|field| !is_over(field.deadline_ms, self.now_ms)))
    }
}
