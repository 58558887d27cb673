//! Lua scripts and function libraries, behind a host trait.
//!
//! A [`Vm`] is one Lua 5.1 state with the globals that Redis gives to scripts: its own `redis` (and `server`), `cjson`,
//! `cmsgpack`, `struct`, `bit`, and the harmless part of Lua's library. All of them are read-only, so that one script cannot
//! change what the next one sees. What a script wants of the server goes through [`Host`].
//!
//! A thread that runs scripts has VMs of its own; nothing here is shared between threads.
#![forbid(unsafe_code)]

mod api;
mod args;
mod bits;
mod bound;
mod debugger;
mod environment;
mod host;
mod json;
mod library;
mod msgpack;
mod names;
mod packing;
mod raise;
mod random;
mod reply;
mod result;
mod sandbox;
mod shebang;
mod vm;

pub use host::{Host, LogLevel, Refusal, Replicate};
pub use library::{FunctionInfo, LibraryError, LibraryHeader};
pub use result::Errors;
pub use shebang::{ScriptFlags, Shebang, ShebangError};
pub use vm::{LoadedLibrary, Names, Outcome, Script, Vm, VmOptions};

/// The name of a script: the SHA-1 of its source, in lower-case hexadecimal digits.
pub fn sha1_hex(source: &[u8]) -> [u8; 40] {
    use sha1::Digest;
    let mut hex = [0; 40];
    for (digits, byte) in hex.chunks_exact_mut(2).zip(sha1::Sha1::digest(source)) {
        for (digit, nibble) in digits.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
    }
    hex
}

#[cfg(test)]
mod escape_tests;
#[cfg(test)]
mod tests;
