//! The Ochre server as a library.
// `deny` and not `forbid`: `process::raw` is the one exception, and says why.
#![deny(unsafe_code)]

pub mod logging;
pub mod net;
pub mod process;
