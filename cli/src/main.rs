//! `ochre-cli`: the interactive client.
#![forbid(unsafe_code)]
fn main() {}
