//! From directives to what a server needs.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};

use crate::authorities::Authorities;
use crate::certificate::Certificate;
use crate::ciphers;
use crate::client::{Trust, client_config};
use crate::error::TlsError;
use crate::identity::{Identity, Loaded};
use crate::sessions::SessionCache;
use crate::verifier::ClientVerifier;

/// Whether clients show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not asked.
    No,
    /// They may, and then it must be valid.
    Optional,
    /// They must.
    Yes,
}

/// The files that materials come from; empty paths are not set.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Who the server is.
    pub server: Identity<'a>,
    /// Who it is where it connects to others; without files, the same.
    pub client: Identity<'a>,
    /// `tls-ca-cert-file`.
    pub ca_file: &'a Path,
    /// `tls-ca-cert-dir`.
    pub ca_directory: &'a Path,
}

/// What a server is told about TLS. Texts are those of the directives of the same name.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Certificates and keys.
    pub files: Files<'a>,
    /// `tls-auth-clients`.
    pub auth: ClientAuth,
    /// Whether links to other servers are to use TLS, so that authorities are needed.
    pub connects: bool,
    /// `tls-protocols`.
    pub protocols: &'a str,
    /// `tls-ciphers`.
    pub ciphers: &'a str,
    /// `tls-ciphersuites`.
    pub ciphersuites: &'a str,
    /// `tls-prefer-server-ciphers`.
    pub prefers_own_ciphers: bool,
    /// How many sessions are remembered (0: no limit), and for how long; `None`: none is.
    pub sessions: Option<(usize, Duration)>,
    /// Whether certificates that are not valid at present are refused from the start.
    pub checks_dates: bool,
}

/// What connections are made from.
#[derive(Debug, Clone)]
pub struct Materials {
    /// For connections from clients.
    pub server: Arc<ServerConfig>,
    /// For connections to other servers.
    pub client: Arc<ClientConfig>,
    /// The server's certificate.
    pub server_certificate: Certificate,
    /// The certificate for connections to other servers, where there is one of its own.
    pub client_certificate: Option<Certificate>,
    /// The authority that expires first.
    pub authority: Option<Certificate>,
}

impl Settings<'_> {
    /// Reads the files and puts everything together.
    ///
    /// # Errors
    /// At the first thing that is missing or wrong.
    pub fn load(&self) -> Result<Materials, TlsError> {
        let files = &self.files;
        for (path, name) in [(files.server.certificate, "tls-cert-file"), (files.server.key, "tls-key-file")] {
            if path.as_os_str().is_empty() {
                return Err(TlsError::Missing(name));
            }
        }
        let trusts = !files.ca_file.as_os_str().is_empty() || !files.ca_directory.as_os_str().is_empty();
        if !trusts && (self.auth != ClientAuth::No || self.connects) {
            return Err(TlsError::NoAuthorities);
        }
        let versions = ciphers::protocols(self.protocols)?;
        let provider = suites(self.ciphers, self.ciphersuites)?;
        let identity = files.server.load(&provider)?;
        let has_own = !files.client.certificate.as_os_str().is_empty() && !files.client.key.as_os_str().is_empty();
        let own = if has_own { Some(files.client.load(&provider)?) } else { None };
        let authorities =
            if trusts { Authorities::load(files.ca_file, files.ca_directory)? } else { Authorities::new(Vec::new()) };
        if self.checks_dates {
            files.server.check_dates(&identity, "Server TLS certificate is")?;
            if let Some(own) = &own {
                files.client.check_dates(own, "Client TLS certificate is")?;
            }
            authorities.check_dates(files.ca_file, files.ca_directory)?;
        }
        let outgoing = own.as_ref().unwrap_or(&identity).certified.clone();
        let trust = Trust::Authorities(authorities.clone());
        Ok(Materials {
            client: Arc::new(client_config(&provider, &versions, trust, Some(outgoing))?),
            server: Arc::new(self.server_config(provider, &versions, &identity, &authorities)?),
            server_certificate: identity.certificate,
            client_certificate: own.map(|own| own.certificate),
            authority: authorities.first_to_expire().cloned(),
        })
    }

    /// Tells whether the files have changed: a hash of what they hold now. What cannot be read counts as empty.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let files = &self.files;
        let mut hasher = DefaultHasher::new();
        let single = [files.server.certificate, files.server.key, files.client.certificate, files.client.key];
        for path in single.into_iter().chain([files.ca_file]) {
            std::fs::read(path).ok().hash(&mut hasher);
        }
        if let Ok(entries) = std::fs::read_dir(files.ca_directory) {
            let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            paths.sort();
            for path in paths {
                (std::fs::read(&path).ok(), path).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    fn server_config(
        &self,
        provider: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
        identity: &Loaded,
        authorities: &Authorities,
    ) -> Result<ServerConfig, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
        let builder = match self.auth {
            ClientAuth::No => builder.with_no_client_auth(),
            auth => {
                let verifier = ClientVerifier::new(authorities.clone(), auth == ClientAuth::Yes)?;
                builder.with_client_cert_verifier(Arc::new(verifier))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified.clone())));
        config.ignore_client_order = self.prefers_own_ciphers;
        match self.sessions {
            Some((count_max, lifetime)) => config.session_storage = Arc::new(SessionCache::new(count_max, lifetime)),
            None => {
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
        }
        Ok(config)
    }
}

/// The cryptography with those of its ciphers that the lists leave; an empty list leaves all.
pub(crate) fn suites(tls12: &str, tls13: &str) -> Result<Arc<CryptoProvider>, TlsError> {
    let all = provider();
    let offered = &all.cipher_suites;
    let mut suites = match tls13 {
        "" => offered.iter().filter(|suite| suite.tls13().is_some()).copied().collect(),
        list => ciphers::tls13(list, offered)?,
    };
    match tls12 {
        "" => suites.extend(offered.iter().filter(|suite| suite.tls13().is_none())),
        list => suites.extend(ciphers::tls12(list, offered)?),
    }
    Ok(Arc::new(CryptoProvider { cipher_suites: suites, ..(*all).clone() }))
}

/// The cryptography behind everything.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
