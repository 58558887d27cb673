//! Scripts: their sources, which all workers share, and their execution.
//!
//! Each worker has a Lua state of its own, so scripts on different keys run side by side. The source of a script is known to
//! all of them by its SHA-1; a worker compiles it when it first needs it.
//!
//! A script starts under the locks of the keys it declares. When it reaches for another key, what it has done is taken back
//! and it starts over under all locks, as it does the next time at once. What it has done is taken back, too, when it is
//! killed. Until it is over nobody hears of what it does.

mod busy;
mod caller;
mod console;
mod engine;
mod libraries;
mod sources;
mod trial;
mod unit;

pub use busy::{Busy, BusyScripts};
pub(crate) use engine::Engine;
pub(crate) use libraries::vm_options;
pub use libraries::{Function, Libraries, Library, LoadError, RestorePolicy};
pub use sources::{Sha, Source, Sources};
pub(crate) use trial::{is_rehearsed, rehearse};
pub use unit::ScriptRequest;
pub(crate) use unit::{ScriptUnit, effective_flags, shards};
