//! The side that connects.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, SupportedProtocolVersion};

use crate::authorities::Authorities;
use crate::ciphers;
use crate::error::TlsError;
use crate::identity::Identity;
use crate::settings::suites;
use crate::verifier::ServerVerifier;

/// Which servers are trusted.
#[derive(Debug, Clone)]
pub enum Trust {
    /// All of them.
    Everybody,
    /// Those that these vouch for, whatever name they bear: private authorities vouch for nobody else.
    Authorities(Authorities),
    /// Those that the system's authorities vouch for under the name that was connected to.
    System,
}

/// What a client program is told about TLS.
#[derive(Debug, Clone)]
pub struct ClientSettings<'a> {
    /// Who it is; `None`: it shows no certificate.
    pub identity: Option<Identity<'a>>,
    /// Which servers it trusts.
    pub trust: Trust,
    /// Ciphers of TLS 1.2, as `tls-ciphers` names them; empty for all.
    pub ciphers: &'a str,
    /// Ciphers of TLS 1.3, as `tls-ciphersuites` names them; empty for all.
    pub ciphersuites: &'a str,
}

impl ClientSettings<'_> {
    /// Reads the files and puts everything together.
    ///
    /// # Errors
    /// At the first thing that is wrong.
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = suites(self.ciphers, self.ciphersuites)?;
        let certified = match &self.identity {
            Some(identity) => Some(identity.load(&provider)?.certified),
            None => None,
        };
        let versions = ciphers::protocols("")?;
        Ok(Arc::new(client_config(&provider, &versions, self.trust.clone(), certified)?))
    }
}

/// The name to connect to: a host name is sent to the server (SNI), an address is not, nor what cannot be a name.
#[must_use]
pub fn server_name(host: &str) -> ServerName<'static> {
    let unnamed = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
    ServerName::try_from(host.to_owned()).unwrap_or(unnamed)
}

pub(crate) fn client_config(
    provider: &Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
    trust: Trust,
    certified: Option<Arc<CertifiedKey>>,
) -> Result<ClientConfig, TlsError> {
    let (authorities, checks_name) = match trust {
        Trust::Everybody => (None, false),
        Trust::Authorities(authorities) => (Some(authorities), false),
        Trust::System => (Some(Authorities::of_system()), true),
    };
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier { authorities, checks_name, algorithms }));
    Ok(match certified {
        Some(certified) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))),
        None => builder.with_no_client_auth(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        assert!(matches!(server_name("example.com"), ServerName::DnsName(_)));
        assert!(matches!(server_name("::1"), ServerName::IpAddress(_)));
        assert!(matches!(server_name("not a name"), ServerName::IpAddress(_)));
    }
}
