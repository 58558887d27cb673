//! The data behind one lock.

use crate::free::Core;
use crate::pins::Pins;
use crate::random::Random;
use crate::raw::keys::Keys;
use std::any::Any;
use std::sync::Arc;

/// The keys of one shard in all databases.
pub struct Shard {
    pub(crate) databases: Vec<Keys>,
    pub(crate) random: Random,
    /// Where the active expiry cycle goes on, by database.
    pub(crate) expire_cursors: Vec<u64>,
    pub(crate) pins: Pins,
    attached: Vec<Box<dyn Any + Send + Sync>>,
}

impl Shard {
    pub(crate) fn new(core: &Arc<Core>, number: usize, databases: usize, random: Random) -> Shard {
        let keys = |db| Keys::new(core.clone(), number * databases + db);
        Shard {
            databases: (0..databases).map(keys).collect(),
            random,
            expire_cursors: vec![0; databases],
            pins: Pins::default(),
            attached: Vec::new(),
        }
    }

    /// A table of the store's owner that lives behind this shard's lock, one of each type; empty at first. The store does
    /// not look into it.
    pub fn attached<T: Default + Send + Sync + 'static>(&mut self) -> &mut T {
        let place = self.attached.iter().position(|table| table.is::<T>()).unwrap_or_else(|| {
            self.attached.push(Box::<T>::default());
            self.attached.len() - 1
        });
        match self.attached.get_mut(place).and_then(|table| table.downcast_mut()) {
            Some(table) => table,
            None => unreachable!("it was found or made by its type"),
        }
    }
}
