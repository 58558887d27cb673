//! The server as a process of its operating system: start in the background, pid file, supervision, title, signals, limits,
//! the report of a crash and the watchdog.

pub mod background;
pub mod crash;
mod frames;
pub mod job;
pub mod limits;
pub mod pidfile;
mod raw;
pub mod signals;
pub mod startup;
pub mod supervise;
pub mod title;
pub mod watchdog;

pub use raw::purge_allocator;
