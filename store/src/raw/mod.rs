//! The one module of this crate that may use `unsafe`.

pub(crate) mod cell;
