//! Scripts: their sources, which all workers share, and their execution.
//!
//! Each worker has a Lua state of its own, so scripts on different keys run side by side. The source of a script is known to
//! all of them by its SHA-1; a worker compiles it when it first needs it.
//!
//! A script starts under the locks of the keys it declares, and may only read there. Before it writes or reaches for another
//! key it starts over under all locks: so far it has done nothing. The next time it starts there at once.

mod busy;
mod caller;
mod console;
mod engine;
mod libraries;
mod sources;
mod unit;

pub use busy::{Busy, BusyScripts};
pub(crate) use engine::Engine;
pub(crate) use libraries::vm_options;
pub use libraries::{Function, Libraries, Library, LoadError, RestorePolicy};
pub use sources::{Sha, Source, Sources};
pub use unit::ScriptRequest;
pub(crate) use unit::{ScriptUnit, effective_flags, shards};
