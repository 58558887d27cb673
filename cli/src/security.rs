//! TLS on the way to the server.

use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use ochre_tls::rustls::pki_types::ServerName;
use ochre_tls::rustls::{ClientConfig, ClientConnection};
use ochre_tls::{Authorities, ClientSettings, Identity, Trust, server_name};

/// The options about TLS that all programs have.
#[derive(Args, Debug, Default, Clone)]
pub struct TlsOptions {
    /// Speak TLS
    #[arg(long)]
    pub tls: bool,
    /// Host name to ask the server for (SNI), instead of the one connected to
    #[arg(long, value_name = "host")]
    pub sni: Option<String>,
    /// File of authorities that may vouch for the server
    #[arg(long, value_name = "file")]
    pub cacert: Option<PathBuf>,
    /// Directory of such files; with neither the system's authorities count
    #[arg(long, value_name = "dir")]
    pub cacertdir: Option<PathBuf>,
    /// Accept any server
    #[arg(long)]
    pub insecure: bool,
    /// Certificate to show to the server
    #[arg(long, value_name = "file")]
    pub cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "file")]
    pub key: Option<PathBuf>,
    /// Ciphers of TLS 1.2, as a list of OpenSSL
    #[arg(long, value_name = "list")]
    pub tls_ciphers: Option<String>,
    /// Ciphers of TLS 1.3, with colons between them
    #[arg(long, value_name = "list")]
    pub tls_ciphersuites: Option<String>,
}

/// What connections are secured with.
#[derive(Debug, Clone)]
pub struct Security {
    config: Arc<ClientConfig>,
    sni: Option<String>,
}

impl TlsOptions {
    /// What the options say, if TLS is wanted by them or `by_uri`.
    ///
    /// # Errors
    /// A sentence for the user, when a file cannot be used.
    pub fn security(&self, by_uri: bool) -> Result<Option<Security>, String> {
        if !self.tls && !by_uri {
            return Ok(None);
        }
        let identity = match (&self.cert, &self.key) {
            (Some(certificate), Some(key)) => Some(Identity { certificate, key, pass_phrase: b"" }),
            (None, None) => None,
            _ => return Err("Options --cert and --key must be specified together.".into()),
        };
        let settings = ClientSettings {
            identity,
            trust: self.trust()?,
            ciphers: self.tls_ciphers.as_deref().unwrap_or_default(),
            ciphersuites: self.tls_ciphersuites.as_deref().unwrap_or_default(),
        };
        let config = settings.load().map_err(|error| error.to_string())?;
        Ok(Some(Security { config, sni: self.sni.clone() }))
    }

    fn trust(&self) -> Result<Trust, String> {
        if self.insecure {
            return Ok(Trust::Everybody);
        }
        if self.cacert.is_none() && self.cacertdir.is_none() {
            return Ok(Trust::System);
        }
        let path = |given: &Option<PathBuf>| given.clone().unwrap_or_default();
        let (file, directory) = (path(&self.cacert), path(&self.cacertdir));
        let authorities = Authorities::load(Path::new(&file), Path::new(&directory));
        authorities.map(Trust::Authorities).map_err(|error| error.to_string())
    }
}

impl Security {
    /// The client's half of a connection to `host`, before its handshake.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn session(&self, host: &str) -> io::Result<ClientConnection> {
        let name: ServerName<'static> = server_name(self.sni.as_deref().unwrap_or(host));
        ClientConnection::new(self.config.clone(), name).map_err(io::Error::other)
    }

    /// Does the handshake over a fresh, blocking connection to `host`.
    ///
    /// # Errors
    /// When the two sides do not agree.
    pub fn handshake(&self, host: &str, tcp: &mut TcpStream) -> io::Result<ClientConnection> {
        let mut session = self.session(host)?;
        while session.is_handshaking() {
            session.complete_io(tcp).map_err(|error| io::Error::new(error.kind(), format!("TLS: {error}")))?;
        }
        Ok(session)
    }
}
