//! The library `cmsgpack`: MessagePack.

mod library;
mod pack;
mod unpack;

pub(crate) use library::library;
