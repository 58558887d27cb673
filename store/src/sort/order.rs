//! Elements in the order of their weights, of which only the first so many are kept.

use crate::quicklist::Seen;
use crate::raw::entry::Str;
use std::cmp::Ordering;

/// What an element is ordered by.
pub(super) enum Weight<'a> {
    /// Its own text.
    Itself,
    /// A number.
    Number(f64),
    /// A text, if there is one.
    Text(Option<Seen<'a>>),
}

struct Item<'a> {
    weight: Weight<'a>,
    element: Seen<'a>,
    /// Which one it was: equal ones stay in that order.
    index: usize,
}

/// Takes elements in and gives the first `wanted` of the order back.
pub(super) struct Heap<'a> {
    items: Vec<Item<'a>>,
    wanted: usize,
    descending: bool,
    next_index: usize,
}

/// Items beyond twice the wanted ones, before the needless ones are dropped.
const SLACK: usize = 64;

impl<'a> Heap<'a> {
    /// For the first `wanted` of `len` elements.
    pub(super) fn new(wanted: usize, len: usize, descending: bool) -> Heap<'a> {
        let room = wanted.saturating_mul(2).saturating_add(SLACK).min(len);
        Heap { items: Vec::with_capacity(room), wanted, descending, next_index: 0 }
    }

    pub(super) fn push(&mut self, weight: Weight<'a>, element: Seen<'a>) {
        self.items.push(Item { weight, element, index: self.next_index });
        self.next_index += 1;
        if self.items.len() >= self.wanted.saturating_mul(2).saturating_add(SLACK) {
            let descending = self.descending;
            self.items.select_nth_unstable_by(self.wanted, |a, b| compare(a, b, descending));
            self.items.truncate(self.wanted);
        }
    }

    /// The wanted elements in order.
    pub(super) fn into_sorted(mut self) -> impl Iterator<Item = Seen<'a>> {
        let descending = self.descending;
        self.items.sort_unstable_by(|a, b| compare(a, b, descending));
        self.items.truncate(self.wanted);
        self.items.into_iter().map(|item| item.element)
    }
}

fn compare(a: &Item<'_>, b: &Item<'_>, descending: bool) -> Ordering {
    let order = match (&a.weight, &b.weight) {
        // No number is NaN.
        (Weight::Number(x), Weight::Number(y)) => {
            x.partial_cmp(y).unwrap_or(Ordering::Equal).then_with(|| compare_texts(a.element.get(), b.element.get()))
        }
        (Weight::Text(Some(x)), Weight::Text(Some(y))) => compare_texts(x.get(), y.get()),
        (Weight::Text(x), Weight::Text(y)) => x.is_some().cmp(&y.is_some()),
        _ => compare_texts(a.element.get(), b.element.get()),
    };
    let order = if descending { order.reverse() } else { order };
    order.then(a.index.cmp(&b.index))
}

fn compare_texts(a: Str<'_>, b: Str<'_>) -> Ordering {
    a.as_bytes(&mut itoa::Buffer::new()).cmp(b.as_bytes(&mut itoa::Buffer::new()))
}
