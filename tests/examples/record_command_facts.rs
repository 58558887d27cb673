//! Prints what a server says about its commands, in the form of `tests/facts`:
//! `cargo run -p ochre-tests --example record_command_facts -- /path/to/valkey-server`.
#![forbid(unsafe_code)]

use std::path::Path;

use anyhow::{Context, Result};
use ochre_tests::{Peer, facts};

fn main() -> Result<()> {
    let program = std::env::args().nth(1).context("the path of a server's program is wanted")?;
    let peer = Peer::start_program(Path::new(&program), &[])?;
    print!("{}", facts::write(&facts::ask(&mut peer.client()?)?));
    Ok(())
}
