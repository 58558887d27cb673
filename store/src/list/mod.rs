//! Operations on lists.
//!
//! The forms of a list and when it changes between them are those of [`quicklist`](crate::quicklist).

mod change;
mod elements;
mod pop;
mod push;
mod read;
mod transfer;

pub use crate::quicklist::{End, List, Side};
pub use change::{Inserted, insert, remove, set, trim};
pub use elements::Elements;
pub use pop::{pop, pop_many};
pub use push::{push, push_existing};
pub use read::{Search, get, is_list, len, positions, range};
pub use transfer::move_element;
