//! The append-only file: commands that make the changes of the data set again, in several files.
//!
//! A *base* holds the data set at some moment, as an RDB file or as commands; *incremental* files hold the commands since.
//! A *manifest* names them; files of the time before are its *history* until they are removed. [`AofFiles`] keeps all that
//! together, [`Reader`] reads commands, [`write_base`](base::write_base) writes a data set as commands.
//!
//! The files themselves are reached through [`Disk`].

pub mod base;
mod disk;
mod files;
mod manifest;
mod reader;

pub use disk::{Disk, DiskFile};
pub use files::{AofFiles, FilesError, Part, WriteFailure};
pub use manifest::{Entry, Manifest, ManifestError};
pub use reader::{CommandLine, ReadError, Reader};
