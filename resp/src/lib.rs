//! The RESP protocol: an incremental request decoder, a reply writer and a reply decoder.
#![forbid(unsafe_code)]
