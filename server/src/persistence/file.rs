//! Files that appear whole or not at all, on the disk of this machine.

use crate::aof::SystemDisk;
use ochre_persist::new_file;
pub(crate) use ochre_persist::new_file::NewFile;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Creates a file under the name `temporary`, in the working directory. With `incremental` it is synced bit by bit.
pub(crate) fn create(temporary: &str, incremental: bool) -> io::Result<NewFile> {
    NewFile::create(Arc::new(SystemDisk), Path::new(temporary), incremental)
}

/// Has the name of a file reach the disk.
pub(super) fn sync_name(path: &Path) -> io::Result<()> {
    new_file::sync_name(&SystemDisk, path)
}
