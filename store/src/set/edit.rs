//! Adding members to a set, and removing them.

use super::limits::Limits;
use super::value::Set;
use crate::raw::entry::Str;
use crate::store::Store;
use crate::string::parse_int;

impl Set {
    /// Adds `member`, in a larger form of the set if it does not fit into the present one. False if it was one already.
    #[inline]
    pub fn insert(&mut self, member: &[u8], limits: &Limits, store: &Store) -> bool {
        match self {
            Set::Table(members) => members.insert(member),
            Set::Ints(ints) => match parse_int(member) {
                Some(number) => {
                    let added = ints.insert(number);
                    if added && ints.len() > limits.ints {
                        self.become_table(self.len(), store);
                    }
                    added
                }
                None => {
                    self.insert_text(member, limits, store);
                    true
                }
            },
            Set::Pack(pack) => {
                let view = pack.view();
                if view.first().is_some_and(|first| view.find(first, member, 0).is_some()) {
                    return false;
                }
                if limits.pack_takes(pack.len(), member.len()) && pack.fits(member.len()) {
                    pack.append(Str::Bytes(member));
                } else {
                    self.insert_in_table(member, store);
                }
                true
            }
        }
    }

    /// As [`insert`](Set::insert).
    #[inline]
    pub fn insert_str(&mut self, member: Str<'_>, limits: &Limits, store: &Store) -> bool {
        if let (Set::Ints(ints), Str::Int(number)) = (&mut *self, member) {
            let added = ints.insert(number);
            if added && ints.len() > limits.ints {
                self.become_table(self.len(), store);
            }
            return added;
        }
        self.insert(member.as_bytes(&mut itoa::Buffer::new()), limits, store)
    }

    /// Adds a member that is no integer to an intset.
    fn insert_text(&mut self, member: &[u8], limits: &Limits, store: &Store) {
        let Set::Ints(ints) = self else { return };
        let len = ints.len();
        let digits = |index: usize| ints.get(index).map_or(0, |number| Str::Int(number).len());
        // The longest integer is the first or the last one.
        let longest = digits(0).max(digits(len.saturating_sub(1)));
        if limits.pack_takes(len, member.len()) && longest <= limits.pack_value {
            let mut pack: crate::listpack::Listpack = ints.iter().map(Str::Int).collect();
            pack.append(Str::Bytes(member));
            pack.shrink_to_fit();
            *self = Set::Pack(pack);
        } else {
            self.insert_in_table(member, store);
        }
    }

    fn insert_in_table(&mut self, member: &[u8], store: &Store) {
        self.become_table(self.len() + 1, store);
        if let Set::Table(members) = self {
            members.insert(member);
        }
    }

    /// Removes `member`. False if it was none.
    #[inline]
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Set::Ints(ints) => parse_int(member).is_some_and(|number| ints.remove(number)),
            Set::Pack(pack) => {
                let view = pack.view();
                let Some(position) = view.first().and_then(|first| view.find(first, member, 0)) else { return false };
                pack.delete(position);
                true
            }
            Set::Table(members) => members.remove(member),
        }
    }

    /// Removes `member`. False if it was none.
    pub fn remove_str(&mut self, member: Str<'_>) -> bool {
        match (&mut *self, member) {
            (Set::Ints(ints), Str::Int(number)) => ints.remove(number),
            _ => self.remove(member.as_bytes(&mut itoa::Buffer::new())),
        }
    }
}
