//! SORT.
use crate::command::CommandSpec;
/// The commands of this file.
pub static ALL: &[&CommandSpec] = &[];
