//! Streams: entries of field-value pairs in the order of their IDs, and groups of consumers that share them.
//!
//! Entries lie in listpacks of up to some thousand bytes, the *nodes*. A node's bytes are those of Redis, as RDB files and
//! DUMP payloads carry them:
//!
//! ```text
//! node:  live entries │ deleted entries │ fields │ field… │ 0 │ entry…
//! entry: flags │ ms │ seq │ value… │ values of this entry                        with the fields of the node
//!        flags │ ms │ seq │ fields │ field │ value │ … │ values of this entry    with fields of its own
//! ```
//!
//! A node has the ID of its first entry, and `ms` and `seq` are differences to that. The count at an entry's end is for
//! reading backwards. Deleting an entry sets a flag; a node goes with its last live entry.
//!
//! A [`Stream`] keeps its last node in itself, so that appending looks for nothing, and the others in an ordered map that
//! exists only if there are any. A [`Group`] keeps what was delivered and not acknowledged in one ordered map, and each
//! [`Consumer`] the set of its IDs. The time is always the caller's.
//!
//! [`get`] looks a stream up for reading; the other functions change the streams under keys.

mod append;
mod claim;
mod consumers;
mod deliver;
mod entries;
mod group;
mod id;
mod lag;
mod load;
mod node;
mod pieces;
mod range;
mod reference;
mod sharing;
mod size;
mod taking;
mod trim;
mod undo;
mod validate;
mod value;

pub use append::{AppendError, NodeLimits};
pub use claim::{Claim, Claimed, Scan};
pub use consumers::{Consumer, ConsumerId};
pub use deliver::{Delivered, Delivery, Read};
pub use entries::{
    Add, AddError, ChangeIdError, ack_and_delete, add, delete, delete_with, exists, get, look, set_id, trim,
};
pub use group::{Group, Nack, Pending};
pub use id::{Bound, IdText, NewId, StreamId};
pub use lag::Counting;
pub use load::{GroupLoader, StreamLoader};
pub use node::Fields;
pub use pieces::{ConsumerFacts, GroupFacts, StreamNode, StreamPiece};
pub use range::{Range, ReverseRange};
pub use reference::{Deletion, References};
pub use sharing::{
    Claims, GroupError, Member, NewGroup, ReadFrom, ack, autoclaim, check_group, claim, create_consumer, create_group,
    delete_consumer, destroy_group, read_group, set_group_id,
};
pub(crate) use taking::GroupTaking;
pub use trim::{Trim, TrimTo};
pub(crate) use undo::StreamChange;
pub use value::{Facts, SetId, SetIdError, Stream};

#[cfg(test)]
mod model;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod tests;
