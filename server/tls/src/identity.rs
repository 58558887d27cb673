//! A certificate with its chain, and the key that belongs to it.

use std::path::Path;
use std::sync::Arc;

use pem::Pem;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::certificate::{Certificate, now_s};
use crate::error::TlsError;
use crate::key;

/// Files of who one is.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// PEM: the certificate, then its chain.
    pub certificate: &'a Path,
    /// PEM: the private key.
    pub key: &'a Path,
    /// Pass phrase of the key; empty when it has none.
    pub pass_phrase: &'a [u8],
}

/// An identity that was read.
pub(crate) struct Loaded {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) certificate: Certificate,
}

impl Identity<'_> {
    /// Reads certificate and key and checks that they belong together.
    pub(crate) fn load(&self, provider: &CryptoProvider) -> Result<Loaded, TlsError> {
        const WHAT: &str = "certificate";
        const KEY: &str = "private key";
        let content = |what, path: &Path, reason| TlsError::Content { what, path: path.to_owned(), reason };
        let chain = certificates(&sections(WHAT, self.certificate)?);
        let Some(first) = chain.first() else {
            return Err(content(WHAT, self.certificate, "it holds no certificate".to_owned()));
        };
        let certificate = Certificate::parse(first).map_err(|reason| content(WHAT, self.certificate, reason))?;
        let key = key::first_key(&sections(KEY, self.key)?, self.pass_phrase)
            .map_err(|reason| content(KEY, self.key, reason))?;
        let key = provider.key_provider.load_private_key(key);
        let key = key.map_err(|error| content(KEY, self.key, error.to_string()))?;
        let matches = key.public_key().is_none_or(|public| certificate.public_key_der().as_deref() == Some(&public));
        if !matches {
            return Err(content(KEY, self.key, "it does not belong to the certificate".to_owned()));
        }
        Ok(Loaded { certified: Arc::new(CertifiedKey::new(chain, key)), certificate })
    }

    /// Errs when the certificate is not valid at present; `whose` begins the sentence about it.
    pub(crate) fn check_dates(&self, loaded: &Loaded, whose: &'static str) -> Result<(), TlsError> {
        match loaded.certificate.validity().fault(now_s()) {
            Some(reason) => Err(TlsError::Dates { whose, path: self.certificate.to_owned(), reason }),
            None => Ok(()),
        }
    }
}

/// The sections of a PEM file; text around them is left out.
pub(crate) fn sections(what: &'static str, path: &Path) -> Result<Vec<Pem>, TlsError> {
    let bytes = std::fs::read(path).map_err(|source| TlsError::File { what, path: path.to_owned(), source })?;
    pem::parse_many(bytes).map_err(|error| TlsError::Content {
        what,
        path: path.to_owned(),
        reason: format!("it is not in PEM format: {error}"),
    })
}

/// The certificates among the sections.
pub(crate) fn certificates(sections: &[Pem]) -> Vec<CertificateDer<'static>> {
    let is_certificate = |tag: &str| matches!(tag, "CERTIFICATE" | "X509 CERTIFICATE");
    let found = sections.iter().filter(|section| is_certificate(section.tag()));
    found.map(|section| CertificateDer::from(section.contents().to_vec())).collect()
}
