//! The load generator of `ochre-benchmark`.

pub mod digits;
pub mod error;
pub mod histogram;
pub mod idle;
pub mod link;
pub mod options;
pub mod report;
pub mod run;
mod secure_socket;
pub mod shared;
pub mod suite;
pub mod template;
pub mod worker;
