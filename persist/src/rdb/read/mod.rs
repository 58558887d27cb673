//! Reading values, in all encodings that there have been.

mod elements;
mod stream;
mod value;
mod ziplist;
mod zipmap;

pub use value::read_value;
