//! The RDB format: values, and files of them.
//!
//! The format has no specification but its implementations; what is read and written here follows Redis 1 to 7.2
//! (versions 1 to 11 of the format), the fields with deadlines of Redis 7.4 (version 12) and those of Valkey 9
//! (version 80).

mod arrivals;
mod code;
mod collect;
mod crew;
mod error;
mod file_read;
mod file_write;
mod form;
mod input;
mod load;
mod opcode;
mod output;
mod read;
mod save;
mod write;

#[cfg(test)]
mod pieces_tests;
#[cfg(test)]
mod tests;

pub use arrivals::Arrivals;
pub use code::{TypeCode, VERSION_REDIS_MAX, VERSION_VALKEY};
pub use collect::{Background, Cut, Observer};
pub use crew::Crew;
pub use error::{RdbError, Reason};
pub use file_read::{FileReader, Item, Record};
pub use file_write::{FileSettings, FileWriter, Usage, WriteError};
pub use input::Input;
pub use load::{LoadError, LoadOptions, Loaded, Target, Unlocked, Watch, load};
pub(crate) use opcode::FUNCTION;
pub use output::Output;
pub use read::read_value;
pub use save::{Extras, UsageKind, save, version_of_store};
pub use write::{Writing, type_of, version_needed, write_value};
