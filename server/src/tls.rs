//! TLS of this process: what connections are made from, and when that is read again.

use crate::client::Client;
use crate::clock::unix_ms;
use crate::config::{self, ClientAuthUser, Config};
use crate::server::Server;
use arc_swap::ArcSwapOption;
use ochre_tls::rustls::pki_types::CertificateDer;
use ochre_tls::rustls::{ClientConfig, ServerConfig};
use ochre_tls::{Certificate, ClientAuth, Files, Identity, Materials, Settings, TlsError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// Certificates, keys and the rest, as they are used for new connections.
#[derive(Default)]
pub struct Tls {
    materials: ArcSwapOption<Materials>,
    /// Of the files that the materials were read from.
    fingerprint: AtomicU64,
}

/// A certificate in use, for INFO.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Its serial number, or `none`.
    pub serial: String,
    /// Seconds that it is still valid for; negative after its end, 0 where there is none.
    pub expires_in_s: i64,
}

impl Tls {
    /// For connections from clients; `None` as long as nothing uses TLS.
    pub fn server_config(&self) -> Option<Arc<ServerConfig>> {
        self.materials.load().as_ref().map(|materials| materials.server.clone())
    }

    /// For connections to other servers, likewise. They are trusted when the configured authorities vouch for them.
    pub fn client_config(&self) -> Option<Arc<ClientConfig>> {
        self.materials.load().as_ref().map(|materials| materials.client.clone())
    }

    /// Reads what `config` names, if it uses TLS at all, and uses it from now on.
    ///
    /// # Errors
    /// When something is missing or wrong; then all is as before.
    pub fn configure(&self, config: &Config) -> Result<(), TlsError> {
        if !is_used(config) {
            self.materials.store(None);
            return Ok(());
        }
        let settings = settings(config);
        // Before the files are read: a change in between is then seen as one.
        let fingerprint = settings.fingerprint();
        let materials = settings.load()?;
        self.materials.store(Some(Arc::new(materials)));
        self.fingerprint.store(fingerprint, Relaxed);
        Ok(())
    }

    /// The certificates of the server, of the server as a client, and of the authority that expires first.
    pub fn certificates(&self) -> [CertificateInfo; 3] {
        let materials = self.materials.load();
        let materials = materials.as_ref();
        let now_s = unix_ms() / 1000;
        let info = |certificate: Option<&Certificate>| match certificate {
            None => CertificateInfo { serial: "none".to_owned(), expires_in_s: 0 },
            Some(certificate) => CertificateInfo {
                serial: certificate.serial(),
                expires_in_s: (certificate.validity().not_after_s as i64).saturating_sub(now_s),
            },
        };
        [
            info(materials.map(|materials| &materials.server_certificate)),
            info(materials.and_then(|materials| materials.client_certificate.as_ref())),
            info(materials.and_then(|materials| materials.authority.as_ref())),
        ]
    }

    fn reload(&self, config: &Config) {
        if !is_used(config) {
            return;
        }
        if settings(config).fingerprint() == self.fingerprint.load(Relaxed) {
            tracing::debug!("TLS materials unchanged, nothing to reload");
            return;
        }
        match self.configure(config) {
            Ok(()) => tracing::info!("TLS materials reloaded successfully"),
            Err(error) => tracing::warn!("Failed to reload TLS materials, the old ones stay in use: {error}"),
        }
    }
}

/// Reads certificates and keys again every `tls-auto-reload-interval` seconds, where they have changed.
pub async fn reload_changed_files(server: Arc<Server>) {
    let mut looked = Instant::now();
    loop {
        // A change of the interval counts from the last look on.
        let mut changed = std::pin::pin!(server.config_changed.notified());
        changed.as_mut().enable();
        match u64::from(server.config().tls_auto_reload_interval) {
            0 => {
                changed.await;
                continue;
            }
            interval_s => {
                if tokio::time::timeout_at(looked + Duration::from_secs(interval_s), changed).await.is_ok() {
                    continue;
                }
            }
        }
        let changing = server.clone();
        // Files may be slow, and this thread accepts connections.
        let done =
            tokio::task::spawn_blocking(move || changing.changes.in_turn(|| changing.tls.reload(&changing.config())));
        if let Err(error) = done.await {
            tracing::error!(%error, "reading certificates again has failed");
        }
        looked = Instant::now();
    }
}

/// Makes the session that of the user whom its certificate names, if the configuration wants that: the common name, or the
/// first of the URIs whose user exists and may log in. Else it stays what it is, and that is logged.
pub(crate) fn log_in_by_certificate(
    server: &Server,
    config: &Config,
    client: &mut Client,
    certificate: Option<&CertificateDer<'static>>,
) {
    if config.tls_auth_clients_user == ClientAuthUser::Off {
        return;
    }
    let Some(certificate) = certificate.and_then(|der| Certificate::parse(der).ok()) else { return };
    let names = match config.tls_auth_clients_user {
        ClientAuthUser::Uri => certificate.uris(),
        _ => certificate.common_name().into_iter().collect(),
    };
    let accounts = names.iter().filter_map(|name| server.accounts.get(name.as_bytes()));
    match accounts.into_iter().find(|account| account.user().is_enabled()) {
        Some(account) => {
            tracing::debug!(client = client.id(), "TLS: the client is logged in by its certificate");
            client.authenticated = true;
            client.set_account(account);
            // It may have been deleted before the session was known to be its.
            if client.account.is_gone() {
                client.log_out(&server.accounts);
            }
        }
        None => {
            let name = names.first().map(String::as_bytes).unwrap_or_default();
            crate::acl::log_failed_certificate(server, client, name);
        }
    }
}

fn is_used(config: &Config) -> bool {
    config.tls_port > 0 || config.tls_replication || config.tls_cluster
}

fn settings(config: &Config) -> Settings<'_> {
    Settings {
        files: Files {
            server: Identity {
                certificate: &config.tls_cert_file,
                key: &config.tls_key_file,
                pass_phrase: &config.tls_key_file_pass,
            },
            client: Identity {
                certificate: &config.tls_client_cert_file,
                key: &config.tls_client_key_file,
                pass_phrase: &config.tls_client_key_file_pass,
            },
            ca_file: &config.tls_ca_cert_file,
            ca_directory: &config.tls_ca_cert_dir,
        },
        auth: match config.tls_auth_clients {
            config::ClientAuth::No => ClientAuth::No,
            config::ClientAuth::Optional => ClientAuth::Optional,
            config::ClientAuth::Yes => ClientAuth::Yes,
        },
        connects: config.tls_replication || config.tls_cluster,
        protocols: &config.tls_protocols,
        ciphers: &config.tls_ciphers,
        ciphersuites: &config.tls_ciphersuites,
        prefers_own_ciphers: config.tls_prefer_server_ciphers,
        sessions: config.tls_session_caching.then(|| {
            let lifetime = Duration::from_secs(config.tls_session_cache_timeout.into());
            (config.tls_session_cache_size as usize, lifetime)
        }),
        checks_dates: config.compatibility_level.refuses_outdated_certificates(),
    }
}
