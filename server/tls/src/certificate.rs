//! What a certificate says about itself.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::CN;
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A parsed certificate of any version of X.509.
#[derive(Debug, Clone)]
pub struct Certificate(x509_cert::Certificate);

/// When a certificate is valid, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From when on.
    pub not_before_s: u64,
    /// Until when.
    pub not_after_s: u64,
}

impl Validity {
    /// What is wrong with it at `now_s`, if anything.
    #[must_use]
    pub fn fault(&self, now_s: u64) -> Option<String> {
        if now_s < self.not_before_s {
            return Some(format!("it is not valid before Unix time {}", self.not_before_s));
        }
        (now_s > self.not_after_s).then(|| format!("it has expired at Unix time {}", self.not_after_s))
    }
}

/// Now, in Unix seconds.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Certificate {
    /// Parses the DER form.
    ///
    /// # Errors
    /// With a description, when it is no certificate.
    pub fn parse(der: &CertificateDer<'_>) -> Result<Certificate, String> {
        x509_cert::Certificate::from_der(der).map(Certificate).map_err(|error| error.to_string())
    }

    /// The serial number in upper-case hexadecimal digits, two a byte.
    #[must_use]
    pub fn serial(&self) -> String {
        let bytes = self.0.tbs_certificate.serial_number.as_bytes();
        // A zero in front only says that the number is not negative.
        let bytes = match bytes {
            [0, rest @ ..] if !rest.is_empty() => rest,
            bytes => bytes,
        };
        bytes.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    /// When it is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        let validity = &self.0.tbs_certificate.validity;
        Validity {
            not_before_s: validity.not_before.to_unix_duration().as_secs(),
            not_after_s: validity.not_after.to_unix_duration().as_secs(),
        }
    }

    /// The common name of its subject; the first one, if there are several.
    #[must_use]
    pub fn common_name(&self) -> Option<String> {
        let attributes = self.0.tbs_certificate.subject.0.iter().flat_map(|name| name.0.iter());
        attributes.filter(|attribute| attribute.oid == CN).find_map(|attribute| {
            let value = &attribute.value;
            match value.tag() {
                Tag::Utf8String => Utf8StringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
                Tag::PrintableString => PrintableStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
                Tag::Ia5String => Ia5StringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
                Tag::TeletexString => TeletexStringRef::try_from(value).ok().map(|text| text.as_str().to_owned()),
                _ => None,
            }
        })
    }

    /// The URIs among its subject's alternative names, in their order.
    #[must_use]
    pub fn uris(&self) -> Vec<String> {
        let Ok(Some((_, names))) = self.0.tbs_certificate.get::<SubjectAltName>() else { return Vec::new() };
        let uris = names.0.iter().filter_map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => Some(uri.as_str().to_owned()),
            _ => None,
        });
        uris.collect()
    }

    /// Its public key with the algorithm, as DER.
    pub(crate) fn public_key_der(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.subject_public_key_info.to_der().ok()
    }

    /// The algorithm of its key (the content of the `AlgorithmIdentifier`), and the bits of the key.
    pub(crate) fn public_key(&self) -> Option<(Vec<u8>, &[u8])> {
        let info = &self.0.tbs_certificate.subject_public_key_info;
        Some((content(&info.algorithm.to_der().ok()?)?, info.subject_public_key.as_bytes()?))
    }

    /// What its issuer has signed, the algorithm (the content of the `AlgorithmIdentifier`), and the signature.
    pub(crate) fn signed(&self) -> Option<(Vec<u8>, Vec<u8>, &[u8])> {
        let message = self.0.tbs_certificate.to_der().ok()?;
        Some((message, content(&self.0.signature_algorithm.to_der().ok()?)?, self.0.signature.as_bytes()?))
    }

    /// Whether its issuer bears the name of `authority`.
    pub(crate) fn names_as_issuer(&self, authority: &Certificate) -> bool {
        self.0.tbs_certificate.issuer == authority.0.tbs_certificate.subject
    }

    /// Whether it is of version 1 of X.509, which knows no extensions.
    pub(crate) fn is_version_1(&self) -> bool {
        self.0.tbs_certificate.version == x509_cert::Version::V1
    }
}

/// What follows the tag and the length of a short or medium DER value.
fn content(der: &[u8]) -> Option<Vec<u8>> {
    let skipped = match der.get(1)? {
        0x81 => 3,
        0x82 => 4,
        length if *length < 0x80 => 2,
        _ => return None,
    };
    der.get(skipped..).map(<[u8]>::to_vec)
}
