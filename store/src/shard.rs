//! The data behind one lock.

use crate::free::Core;
use crate::random::Random;
use crate::raw::keys::Keys;
use std::sync::Arc;

/// The keys of one shard in all databases.
pub struct Shard {
    pub(crate) databases: Vec<Keys>,
    pub(crate) random: Random,
    /// Where the active expiry cycle goes on, by database.
    pub(crate) expire_cursors: Vec<u64>,
}

impl Shard {
    pub(crate) fn new(core: &Arc<Core>, number: usize, databases: usize, random: Random) -> Shard {
        let keys = |db| Keys::new(core.clone(), number * databases + db);
        Shard { databases: (0..databases).map(keys).collect(), random, expire_cursors: vec![0; databases] }
    }
}
