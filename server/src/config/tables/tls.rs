//! TLS.

macro_rules! tls_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "TLS" {
            /// Port for TLS; 0 opens none.
            tls_port: u16 = Int::new(0, 0, 65535), WORKS.effect(Effect::TlsPort);

            /// Certificate of the server.
            tls_cert_file: PathBuf = PathText { optional: true }, WORKS.effect(Effect::Tls);

            /// Its private key.
            tls_key_file: PathBuf = PathText { optional: true }, WORKS.effect(Effect::Tls);

            /// Pass phrase of that key.
            tls_key_file_pass: Vec<u8> = Secret, WORKS.effect(Effect::Tls).sensitive();

            /// Certificate for connections that the server itself opens; the server's, if there is none.
            tls_client_cert_file: PathBuf = PathText { optional: true }, WORKS.effect(Effect::Tls);

            /// Its private key.
            tls_client_key_file: PathBuf = PathText { optional: true }, WORKS.effect(Effect::Tls);

            /// Pass phrase of that key.
            tls_client_key_file_pass: Vec<u8> = Secret, WORKS.effect(Effect::Tls).sensitive();

            /// Parameters for Diffie-Hellman.
            tls_dh_params_file: PathBuf = PathText { optional: true },
                kept("has no meaning here: keys are agreed on by elliptic curves only");

            /// File of authorities that are trusted.
            tls_ca_cert_file: PathBuf = PathText { optional: true }, WORKS.effect(Effect::Tls);

            /// Directory of authorities that are trusted.
            tls_ca_cert_dir: PathBuf = PathText { optional: true }, WORKS.effect(Effect::Tls);

            /// Whether clients show a certificate.
            tls_auth_clients: ClientAuth = Pick(ClientAuth::Yes), WORKS.effect(Effect::Tls);

            /// Which part of that certificate names the user.
            tls_auth_clients_user: ClientAuthUser = Pick(ClientAuthUser::Off), WORKS.origin(Origin::Valkey);

            /// Whether the link to the primary uses TLS.
            tls_replication: bool = Switch(false), WORKS.effect(Effect::Tls);

            /// Whether MIGRATE and the cluster bus use TLS.
            tls_cluster: bool = Switch(false), kept("MIGRATE uses it; the bus takes effect with the cluster").effect(Effect::Tls);

            /// Versions that are spoken: TLSv1.2, TLSv1.3 or both; both, if there is none.
            tls_protocols: String = Text::optional(), WORKS.effect(Effect::Tls);

            /// Ciphers of TLS 1.2, as a list of OpenSSL.
            tls_ciphers: String = Text::optional(), WORKS.effect(Effect::Tls);

            /// Ciphers of TLS 1.3, with colons between them.
            tls_ciphersuites: String = Text::optional(), WORKS.effect(Effect::Tls);

            /// Whether the server's order of ciphers decides.
            tls_prefer_server_ciphers: bool = Switch(false), WORKS.effect(Effect::Tls);

            /// Whether sessions are remembered.
            tls_session_caching: bool = Switch(true), WORKS.effect(Effect::Tls);

            /// How many; 0 is as many as come.
            tls_session_cache_size: u32 = Int::new(20480, 0, INT_MAX), WORKS.effect(Effect::Tls);

            /// For how many seconds.
            tls_session_cache_timeout: u32 = Int::new(300, 0, INT_MAX), WORKS.effect(Effect::Tls);

            /// Seconds after which changed certificates are read again; 0 is never.
            tls_auto_reload_interval: u32 = Int::new(0, 0, INT_MAX), WORKS.origin(Origin::Valkey);

            /// Milliseconds within which the handshake of a connection must be done.
            tls_handshake_timeout: u32 = Int::new(10_000, 1, INT_MAX), WORKS.origin(Origin::Own);
        }
    }};
}
