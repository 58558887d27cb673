//! Members chosen at random.

use super::value::Set;
use crate::random::Random;
use crate::raw::entry::Str;

impl Set {
    /// A random member, each nearly as likely as any other; `None` of an empty set.
    pub fn random(&self, random: &mut Random) -> Option<Str<'_>> {
        match self {
            Set::Ints(ints) => ints.random(random).map(Str::Int),
            Set::Pack(pack) => {
                let view = pack.view();
                view.seek(random.below(view.len()) as i64).map(|position| view.get(position))
            }
            Set::Table(members) => members.random(random).map(Str::Bytes),
        }
    }

    /// Shows `count` random members to `see`, some of which may be the same; it returns false to end that.
    pub fn random_repeated<'a>(&'a self, count: usize, random: &mut Random, mut see: impl FnMut(Str<'a>) -> bool) {
        let mut next: Box<dyn FnMut() -> Option<Str<'a>>> = match self {
            // Seeking would go through half of the entries each time.
            Set::Pack(pack) if count > 1 => {
                let members: Vec<Str<'a>> = pack.view().iter().collect();
                Box::new(move || members.get(random.below(members.len())).copied())
            }
            _ => Box::new(move || self.random(random)),
        };
        for _ in 0..count {
            if !next().is_some_and(&mut see) {
                break;
            }
        }
    }

    /// Shows `count` different random members to `see`, in no order; all if there are no more.
    pub fn random_distinct<'a>(&'a self, count: usize, random: &mut Random, mut see: impl FnMut(Str<'a>)) {
        if count >= self.len() {
            return self.for_each(see);
        }
        match self {
            Set::Table(members) => {
                members.random_distinct(count, random).into_iter().for_each(|member| see(Str::Bytes(member)));
            }
            _ => {
                let mut choice = Choice::new(count, self.len());
                self.all(|member| {
                    if choice.next(random) {
                        see(member);
                    }
                    !choice.is_over()
                });
            }
        }
    }
}

/// Chooses some of several things that go by, each with the same probability (Knuth's algorithm S).
pub(super) struct Choice {
    wanted: usize,
    left: usize,
}

impl Choice {
    /// To choose `wanted` of `len` things, or all if there are no more.
    pub(super) fn new(wanted: usize, len: usize) -> Choice {
        Choice { wanted: wanted.min(len), left: len }
    }

    /// Whether the next thing is chosen.
    pub(super) fn next(&mut self, random: &mut Random) -> bool {
        let chosen = random.below(self.left) < self.wanted;
        self.left = self.left.saturating_sub(1);
        self.wanted -= usize::from(chosen);
        chosen
    }

    /// Whether all have been chosen.
    pub(super) fn is_over(&self) -> bool {
        self.wanted == 0
    }
}
