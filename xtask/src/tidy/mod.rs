//! `cargo xtask tidy`: the house rules that a compiler does not know.

mod command;
mod edges;
mod rules;
mod scan;

pub(crate) use command::run;
