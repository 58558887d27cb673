//! The client's side: requests out, replies in.

mod command;
mod decoder;
mod skipper;
mod value;

pub use command::{encode_arguments, encode_command};
pub use decoder::{ReplyDecoder, ReplyLimits};
pub use skipper::{Counts, ReplySkipper};
pub use value::Value;
