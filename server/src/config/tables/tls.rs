//! TLS.

macro_rules! tls_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "TLS" {
            /// Port for TLS; 0 opens none.
            tls_port: u16 = Int::new(0, 0, 65535), not_yet("TLS");

            /// Certificate of the server.
            tls_cert_file: PathBuf = PathText { optional: true }, not_yet("TLS");

            /// Its private key.
            tls_key_file: PathBuf = PathText { optional: true }, not_yet("TLS");

            /// Pass phrase of that key.
            tls_key_file_pass: Vec<u8> = Secret, not_yet("TLS").sensitive();

            /// Certificate for connections that the server itself opens.
            tls_client_cert_file: PathBuf = PathText { optional: true }, not_yet("TLS");

            /// Its private key.
            tls_client_key_file: PathBuf = PathText { optional: true }, not_yet("TLS");

            /// Pass phrase of that key.
            tls_client_key_file_pass: Vec<u8> = Secret, not_yet("TLS").sensitive();

            /// Parameters for Diffie-Hellman.
            tls_dh_params_file: PathBuf = PathText { optional: true }, not_yet("TLS");

            /// File of authorities that are trusted.
            tls_ca_cert_file: PathBuf = PathText { optional: true }, not_yet("TLS");

            /// Directory of authorities that are trusted.
            tls_ca_cert_dir: PathBuf = PathText { optional: true }, not_yet("TLS");

            /// Whether clients show a certificate.
            tls_auth_clients: ClientAuth = Pick(ClientAuth::Yes), not_yet("TLS");

            /// Which part of that certificate names the user.
            tls_auth_clients_user: ClientAuthUser = Pick(ClientAuthUser::Off), not_yet("TLS").origin(Origin::Valkey);

            /// Whether the link to the primary uses TLS.
            tls_replication: bool = Switch(false), not_yet("TLS");

            /// Whether the cluster bus uses TLS.
            tls_cluster: bool = Switch(false), not_yet("TLS");

            /// Versions that are spoken.
            tls_protocols: String = Text::optional(), not_yet("TLS");

            /// Ciphers up to TLS 1.2.
            tls_ciphers: String = Text::optional(), not_yet("TLS");

            /// Ciphers of TLS 1.3.
            tls_ciphersuites: String = Text::optional(), not_yet("TLS");

            /// Whether the server's order of ciphers decides.
            tls_prefer_server_ciphers: bool = Switch(false), not_yet("TLS");

            /// Whether sessions are remembered.
            tls_session_caching: bool = Switch(true), not_yet("TLS");

            /// How many.
            tls_session_cache_size: u32 = Int::new(20480, 0, INT_MAX), not_yet("TLS");

            /// For how many seconds.
            tls_session_cache_timeout: u32 = Int::new(300, 0, INT_MAX), not_yet("TLS");

            /// Seconds after which changed certificates are read again; 0 is never.
            tls_auto_reload_interval: u32 = Int::new(0, 0, INT_MAX), not_yet("TLS").origin(Origin::Valkey);
        }
    }};
}
