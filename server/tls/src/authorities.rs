//! Who is trusted to vouch for peers.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};

use crate::certificate::{Certificate, now_s};
use crate::error::TlsError;
use crate::identity::{certificates, sections};

/// Trusted certificates.
///
/// A peer is accepted when a chain leads from it to one of them, as RFC 5280 has it. Two kinds of certificates that this
/// rules out, and that OpenSSL accepts, are accepted too: one of X.509 version 1 that an authority has signed itself (what
/// `openssl x509 -req` makes without extensions), and one that is itself among the trusted certificates.
#[derive(Debug, Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    known: Arc<Vec<(CertificateDer<'static>, Certificate)>>,
}

const WHAT: &str = "CA certificate(s)";

impl Authorities {
    /// Reads all certificates in a PEM file and in those files of a directory that are PEM; an empty path is left out.
    ///
    /// # Errors
    /// When something cannot be read, or no certificate was found.
    pub fn load(file: &Path, directory: &Path) -> Result<Authorities, TlsError> {
        let mut found = Vec::new();
        if !file.as_os_str().is_empty() {
            found.extend(certificates(&sections(WHAT, file)?));
            if found.is_empty() {
                return Err(none_in(file));
            }
        }
        if !directory.as_os_str().is_empty() {
            let before = found.len();
            let error = |source| TlsError::File { what: WHAT, path: directory.to_owned(), source };
            let mut paths = Vec::new();
            for entry in std::fs::read_dir(directory).map_err(error)? {
                paths.push(entry.map_err(error)?.path());
            }
            paths.sort();
            for path in paths.iter().filter(|path| path.is_file()) {
                // Other files may lie there too.
                found.extend(sections(WHAT, path).map(|sections| certificates(&sections)).unwrap_or_default());
            }
            if found.len() == before {
                return Err(none_in(directory));
            }
        }
        let authorities = Authorities::new(found);
        if authorities.known.is_empty() {
            return Err(none_in(if file.as_os_str().is_empty() { directory } else { file }));
        }
        Ok(authorities)
    }

    /// The authorities that the system trusts, as far as they can be read.
    #[must_use]
    pub fn of_system() -> Authorities {
        Authorities::new(rustls_native_certs::load_native_certs().certs)
    }

    /// Trusts these certificates; what is none is left out.
    #[must_use]
    pub fn new(found: Vec<CertificateDer<'static>>) -> Authorities {
        let mut roots = RootCertStore::empty();
        let mut known: Vec<(CertificateDer<'static>, Certificate)> = Vec::new();
        for der in found {
            let Ok(certificate) = Certificate::parse(&der) else { continue };
            if known.iter().any(|(other, _)| *other == der) {
                continue;
            }
            // What cannot be an authority can still be a peer that is trusted itself.
            let _ = roots.add(der.clone());
            known.push((der, certificate));
        }
        Authorities { roots: Arc::new(roots), known: Arc::new(known) }
    }

    /// The certificate that expires first.
    #[must_use]
    pub fn first_to_expire(&self) -> Option<&Certificate> {
        self.known.iter().map(|(_, certificate)| certificate).min_by_key(|known| known.validity().not_after_s)
    }

    /// Errs when one of the certificates is not valid at present; `file` and `directory` are where they come from.
    pub(crate) fn check_dates(&self, file: &Path, directory: &Path) -> Result<(), TlsError> {
        let now_s = now_s();
        let fault = self.known.iter().find_map(|(_, certificate)| {
            certificate.validity().fault(now_s).map(|reason| (certificate.serial(), reason))
        });
        let Some((serial, reason)) = fault else { return Ok(()) };
        Err(TlsError::Dates {
            whose: "One or more loaded CA certificates are",
            path: if file.as_os_str().is_empty() { directory } else { file }.to_owned(),
            reason: format!("serial number {serial}: {reason}"),
        })
    }

    pub(crate) fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    /// Whether the certificate is accepted though no chain in the sense of RFC 5280 leads to it.
    pub(crate) fn accept_beside_chains(
        &self,
        der: &CertificateDer<'_>,
        now: UnixTime,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
    ) -> bool {
        let Ok(certificate) = Certificate::parse(der) else { return false };
        if certificate.validity().fault(now.as_secs()).is_some() {
            return false;
        }
        self.known.iter().any(|(known, authority)| {
            known == der
                || certificate.is_version_1()
                    && certificate.names_as_issuer(authority)
                    && is_signed_by(&certificate, authority, algorithms)
        })
    }
}

/// Whether a signature of a message was made with the key of the certificate.
pub(crate) fn has_signed(
    certificate: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Some((algorithm, key)) = certificate.public_key() else { return false };
    let fitting = algorithms.iter().filter(|known| known.public_key_alg_id().as_ref() == algorithm.as_slice());
    fitting.into_iter().any(|fitting| fitting.verify_signature(key, message, signature).is_ok())
}

fn is_signed_by(
    certificate: &Certificate,
    authority: &Certificate,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> bool {
    let Some((message, algorithm, signature)) = certificate.signed() else { return false };
    let fitting: Vec<_> =
        algorithms.iter().filter(|known| known.signature_alg_id().as_ref() == algorithm.as_slice()).copied().collect();
    has_signed(authority, &fitting, &message, signature)
}

fn none_in(path: &Path) -> TlsError {
    TlsError::Content { what: WHAT, path: path.to_owned(), reason: "there is no certificate".to_owned() }
}
