//! `cargo xtask bench`: our server beside another one on the same machine, and instructions counted.

mod command;
mod count;
mod growth;
mod load;
mod locks;
mod peer;
mod process;
mod scaling;
mod sides;
mod table;

pub(crate) use command::{Options, check_counts, run};
