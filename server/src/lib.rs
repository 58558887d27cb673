//! The Ochre server as a library.
#![forbid(unsafe_code)]

pub mod logging;
pub mod net;
