//! Why TLS cannot be set up.

use std::io;
use std::path::PathBuf;

/// Why certificates, keys or ciphers cannot be used. The display names the file or the word at fault.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A directive that is needed is not set.
    #[error("No {0} configured!")]
    Missing(&'static str),
    /// Certificates of peers are to be checked, and nothing says against what.
    #[error(
        "Either tls-ca-cert-file or tls-ca-cert-dir must be specified when tls-cluster, tls-replication or \
         tls-auth-clients are enabled!"
    )]
    NoAuthorities,
    /// A file cannot be read.
    #[error("Failed to load {what}: {}: {source}", path.display())]
    File {
        /// What it should hold.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("Failed to load {what}: {}: {reason}", path.display())]
    Content {
        /// What it should hold.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate has expired or is not valid yet.
    #[error("{whose} invalid: {}: {reason}", path.display())]
    Dates {
        /// The subject and verb of the sentence.
        whose: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Since or until when.
        reason: String,
    },
    /// `tls-protocols` is wrong.
    #[error("Invalid tls-protocols specified: {0}. Use a combination of 'TLSv1.2' and 'TLSv1.3'.")]
    Protocols(String),
    /// `tls-ciphers` or `tls-ciphersuites` is wrong.
    #[error("Failed to configure {directive}: {reason}")]
    Ciphers {
        /// The directive.
        directive: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The library refuses the combination.
    #[error("Failed to configure TLS: {0}")]
    Library(#[from] rustls::Error),
}
