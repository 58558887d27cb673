//! Sorted sets: byte strings with scores, ordered by score and, where those are equal, by bytes.
//!
//! Operations that read return the [`SortedSet`] itself, so that its members are copied once, to where they go.

mod add;
mod combine;
mod load;
mod members;
mod pack;
mod places;
mod pop;
mod random;
mod range;
mod remove;
mod scan;
mod store;
mod value;

pub use add::{AddOptions, Added, Compare, Condition, Expected, add, increment};
pub use combine::{Aggregate, Combination, Combine, Combined, check_sources, combine, count_common, store_combined};
pub use load::SortedSetLoader;
pub use members::Members;
pub use places::{Place, Sort, places, sort_places, store_places};
pub use pop::{End, Popped, pop};
pub use random::{random, random_distinct, random_repeated};
pub use range::{By, LexBound, Selection};
pub use remove::{remove, remove_range};

pub use store::{Builder, store_range};
pub use value::{SortedSet, get, view};
