//! The library `cjson`: JSON.

mod decode;
mod encode;
mod library;
mod options;

pub(crate) use library::library;
