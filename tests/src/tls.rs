//! Certificates made for one test, and clients that use them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, string::Ia5String,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// An authority, with a folder for what it makes.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// A certificate and its key.
pub struct Keys {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of the key.
    pub key: PathBuf,
    der: (CertificateDer<'static>, PrivateKeyDer<'static>),
}

impl Authority {
    /// A new one, whose certificate lies as `ca.crt` in the folder.
    pub fn new(folder: &Path) -> Result<Authority> {
        fs::create_dir_all(folder)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Ochre test authority");
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        fs::write(folder.join("ca.crt"), certificate.pem())?;
        let der = certificate.der().clone();
        Ok(Authority { folder: folder.to_owned(), issuer: Issuer::new(params, key), certificate: der })
    }

    /// The file of its certificate.
    pub fn file(&self) -> String {
        self.folder.join("ca.crt").display().to_string()
    }

    /// Makes `<name>.crt` and `<name>.key`, for a host 127.0.0.1 or a user of that common name.
    pub fn issue(&self, name: &str) -> Result<Keys> {
        self.issue_with(name, |_| {})
    }

    /// The same after `change` of what the certificate says.
    pub fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Result<Keys> {
        let mut params = CertificateParams::new(vec![IpAddr::from(Ipv4Addr::LOCALHOST).to_string()])?;
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let keys = Keys {
            certificate: self.folder.join(format!("{name}.crt")),
            key: self.folder.join(format!("{name}.key")),
            der: (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?),
        };
        fs::write(&keys.certificate, certificate.pem())?;
        fs::write(&keys.key, key.serialize_pem())?;
        Ok(keys)
    }

    /// A client that trusts this authority, and shows a certificate if there is one. `versions` are all when empty.
    pub fn client(
        &self,
        keys: Option<&Keys>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let versions = if versions.is_empty() { rustls::ALL_VERSIONS } else { versions };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_root_certificates(roots);
        Ok(Arc::new(match keys {
            Some(keys) => builder.with_client_auth_cert(vec![keys.der.0.clone()], keys.der.1.clone_key())?,
            None => builder.with_no_client_auth(),
        }))
    }
}

impl Keys {
    /// Options of a server with this certificate on that TLS port, which trusts `authority`.
    pub fn server_options(&self, authority: &Authority, port: u16) -> Vec<String> {
        let options = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", self.certificate.display().to_string()),
            ("--tls-key-file", self.key.display().to_string()),
            ("--tls-ca-cert-file", authority.file()),
        ];
        options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// The certificate as the wire carries it.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der.0
    }
}

/// An alternative name that is a URI.
pub fn uri(text: &str) -> Result<SanType> {
    Ok(SanType::URI(Ia5String::try_from(text).context("not ASCII")?))
}
