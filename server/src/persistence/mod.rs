//! Snapshots of the data set in files, and how they come back.
//!
//! [`save`](mod@save) writes the whole data set under the locks of all shards; [`load`](mod@load) reads a file into it;
//! [`background`] writes it while it is in use, at the wish of a client or as the save points say ([`points`]).
//! [`startup`] does that when the process begins, beside workers that answer `-LOADING`. What is known about all of it is
//! in [`Persistence`]. Where that is wanted, a process stands for what is done in the background ([`job`]).

pub(crate) mod background;
pub(crate) mod file;
pub(crate) mod job;
pub(crate) mod load;
pub(crate) mod points;
pub(crate) mod save;
pub(crate) mod startup;
mod state;

pub use load::LoadProgress;
pub(crate) use state::is_loading;
pub use state::{Persistence, SaveStatus};
