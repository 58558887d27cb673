//! TLS as Redis's directives and options describe it, on top of rustls: what a server or a client needs to speak it, made
//! from files of certificates and keys, and from names of protocols and ciphers.
//!
//! [`Settings`] become [`Materials`], all of them or none. Nothing here knows sockets: whoever has one drives a
//! [`rustls`] connection over it.
//!
//! Where OpenSSL, which other servers use, is laxer than rustls, deployed certificates decide: those of X.509 version 1
//! and those that are their own authority are accepted when they are trusted (see [`Authorities`]).
#![forbid(unsafe_code)]

mod authorities;
mod certificate;
mod ciphers;
mod client;
mod error;
mod identity;
mod key;
mod sessions;
mod settings;
mod verifier;

pub use authorities::Authorities;
pub use certificate::{Certificate, Validity};
pub use client::{ClientSettings, Trust, server_name};
pub use error::TlsError;
pub use identity::Identity;
pub use rustls;
pub use settings::{ClientAuth, Files, Materials, Settings};
