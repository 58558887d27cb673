//! `cargo xtask conformance`: the unmodified test suite of Redis 7.0.15, run against our binaries.

mod command;
mod copy;
mod fetch;
mod ledger;
mod log;
mod unit;

pub(crate) use command::{Options, check, run};
