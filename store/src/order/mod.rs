//! A sequence in order, with ranks: a B+tree whose inner nodes count what lies below each child.

mod node;
mod tree;

pub(crate) use tree::{Items, Tree};
