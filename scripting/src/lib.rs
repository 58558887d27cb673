//! Scripts and function libraries, behind a host trait.
#![forbid(unsafe_code)]
