//! Strings as HyperLogLogs: counters of distinct elements, off by 0.81 % on average, in at most 12 kB.
//!
//! The bytes are those of Redis, since GET, RDB files and DUMP payloads carry them as they are:
//!
//! ```text
//! "HYLL" │ representation, 1 byte │ 3 zeros │ cached cardinality, u64 (highest bit: out of date) │ registers
//! ```
//!
//! There are 16384 registers of 6 bits. The *dense* representation (0) has them one behind the other, from the lowest
//! bit of each byte on. The *sparse* one (1) tells runs of equal registers:
//!
//! ```text
//! 00llllll            zeros, length - 1
//! 01llllll llllllll   zeros, length - 1, the high bits first
//! 1vvvvvll            value - 1, length - 1
//! ```
//!
//! An element's hash selects a register by its low 14 bits; the register keeps the largest position of the lowest set
//! bit seen in the others. The estimator is that of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog
//! sketches", arXiv:1702.01284.

mod dense;
mod estimate;
mod hash;
mod inspect;
mod layout;
mod operate;
mod self_test;
mod sketch;
mod sparse;

pub use inspect::{opcodes, registers, representation, to_dense};
pub use layout::{REGISTERS, Representation};
pub use operate::{add, count, count_union, merge};
pub use self_test::{SelfTestFailure, self_test};
pub use sparse::Opcode;
