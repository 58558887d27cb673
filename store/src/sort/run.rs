//! Sorting, and what becomes of the result.

use super::elements::Elements;
use super::number::number;
use super::order::{Heap, Weight};
use super::pattern::Pattern;
use super::request::{By, Request};
use crate::effects::EventClass;
use crate::error::Error;
use crate::keyspace;
use crate::quicklist::{End, Limits, List, Quicklist, Seen};
use crate::raw::entry::Str;
use crate::store::Key;
use crate::txn::Txn;

/// The elements that were asked for, in order.
pub struct Sorted<'a, 't> {
    txn: &'a Txn<'t>,
    db: usize,
    get: &'a [Pattern<'a>],
    elements: Vec<Seen<'a>>,
}

impl Sorted<'_, '_> {
    /// How many values [`for_each`](Sorted::for_each) shows.
    pub fn len(&self) -> usize {
        self.elements.len() * self.get.len().max(1)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Shows each element, or the values that it leads to, `None` where there is none.
    pub fn for_each(&self, mut see: impl FnMut(Option<Str<'_>>)) -> Result<(), Error> {
        let mut space = Vec::new();
        for element in &self.elements {
            if self.get.is_empty() {
                see(Some(element.get()));
            }
            for pattern in self.get {
                match pattern {
                    Pattern::Itself => see(Some(element.get())),
                    _ => see(pattern.value(self.txn, self.db, element.get(), &mut space)?),
                }
            }
        }
        Ok(())
    }
}

/// Sorts the list, set or sorted set at a key, which stays as it is. Patterns that reach out need all shards. Errs with
/// `WrongType`, with `NotFloat` if something that should be ordered by its number is none, and with `NotLocked`.
pub fn sort<'a, 't>(
    txn: &'a mut Txn<'t>,
    db: usize,
    key: Key<'_>,
    request: &'a Request<'a>,
) -> Result<Sorted<'a, 't>, Error> {
    sorted(txn, db, key, request, false)
}

/// As [`sort`], and puts the result under `to` as a list, an empty text for each value that is missing. Returns how many
/// elements it has: if none, there is no such key afterwards.
pub fn sort_and_store(
    txn: &mut Txn<'_>,
    db: usize,
    key: Key<'_>,
    to: Key<'_>,
    request: &Request<'_>,
) -> Result<usize, Error> {
    let limits = txn.settings().list_limits();
    let sorted = sorted(txn, db, key, request, true)?;
    let len = sorted.len();
    let list = to_list(&sorted, &limits)?;
    if len == 0 {
        keyspace::delete(txn, db, to)?;
    } else {
        txn.put(db, &to, list, EventClass::List, "sortstore")?;
        txn.effects().dirty += len as u64 - 1;
    }
    Ok(len)
}

/// A list that was built as a whole.
fn to_list(sorted: &Sorted<'_, '_>, limits: &Limits) -> Result<List, Error> {
    let mut list = List::from(Quicklist::new(limits));
    sorted.for_each(|value| list.push(End::Tail, value.unwrap_or(Str::Bytes(b""))))?;
    list.fit(limits);
    Ok(list)
}

/// With `stored`, a set that is not to be ordered is ordered all the same, so that every replica gets the same list.
fn sorted<'a, 't>(
    txn: &'a mut Txn<'t>,
    db: usize,
    key: Key<'_>,
    request: &'a Request<'a>,
    stored: bool,
) -> Result<Sorted<'a, 't>, Error> {
    let value = txn.read(db, &key)?;
    if let Some(entry) = value {
        Elements::new(entry.into_ref().into_value_ref()?)?;
    }
    reach_all(txn, request)?;
    let txn = &*txn;
    let source = match txn.glance(db, &key)? {
        Some(entry) => Elements::new(entry.into_value_ref()?)?,
        None => Elements::Nothing,
    };
    let places = request.places(source.len());
    let ordered_anyway = stored && matches!(source, Elements::Set(_));
    let mut elements = Vec::with_capacity(places.len());
    match &request.by {
        By::Nothing if !ordered_anyway => source.part(places, request.descending, &mut |element| {
            elements.push(element);
            true
        }),
        by => {
            let mut heap = Heap::new(places.end, source.len(), request.descending);
            let mut space = Vec::new();
            source.each(|element| {
                let weight = match by {
                    By::Nothing => Weight::Itself,
                    By::Itself if request.alpha => Weight::Itself,
                    By::Itself => Weight::Number(number(element.get(), request.c_numbers).ok_or(Error::NotFloat)?),
                    By::Value(pattern) => weight_of(pattern, txn, db, &element, request, &mut space)?,
                };
                heap.push(weight, element);
                Ok::<(), Error>(())
            })?;
            elements.extend(heap.into_sorted().skip(places.start));
        }
    }
    Ok(Sorted { txn, db, get: &request.get, elements })
}

/// Looks into all shards once if patterns may lead to any of them, so that several can be looked at together.
fn reach_all(txn: &mut Txn<'_>, request: &Request<'_>) -> Result<(), Error> {
    let by = if let By::Value(pattern) = &request.by { Some(pattern) } else { None };
    if by.into_iter().chain(&request.get).any(Pattern::reaches_out) {
        for shard in 0..txn.store().shards() {
            txn.shard(shard)?;
        }
    }
    Ok(())
}

fn weight_of<'a>(
    pattern: &Pattern<'_>,
    txn: &'a Txn<'_>,
    db: usize,
    element: &Seen<'a>,
    request: &Request<'_>,
    space: &mut Vec<u8>,
) -> Result<Weight<'a>, Error> {
    let value = pattern.value(txn, db, element.get(), space)?;
    if request.alpha {
        return Ok(Weight::Text(value.map(Seen::Here)));
    }
    let weight = value.map_or(Some(0.0), |value| number(value, request.c_numbers));
    weight.map(Weight::Number).ok_or(Error::NotFloat)
}
