//! Writing replies.

mod children;
mod double;
mod writer;

pub use double::{DoubleFormat, write_double};
pub(crate) use writer::write_header;
pub use writer::{Deferred, Protocol, ReplyWriter};
