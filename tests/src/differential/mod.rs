//! Random commands sent to two servers, whose replies and data must be the same.
//!
//! A [`Grammar`] is a text with one command a line; a [`Comparison`] expands lines at random, sends them to both servers
//! over both protocol versions, and compares every reply to the byte, then the data as a whole by `DEBUG DIGEST`.

mod compare;
mod frame;
mod grammar;
mod words;

pub use compare::Comparison;
pub use grammar::Grammar;
