//! The server as a process of its operating system: start in the background, pid file, supervision, title, signals, limits
//! and the report of a crash.

pub mod background;
pub mod crash;
pub mod job;
pub mod limits;
pub mod pidfile;
mod raw;
pub mod signals;
pub mod startup;
pub mod supervise;
pub mod title;

pub use raw::purge_allocator;
