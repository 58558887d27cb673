//! Foreign clients connect in every way: both protocols, TLS, users.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ochre_tests::{Authority, Server, free_port, scripts};
use redis::{Client, ClientTlsConfig, ErrorKind, ServerErrorKind, TlsCertificates, cmd};

/// A server with TLS, and the arguments of the scripts: port, TLS port, folder of certificates.
struct Setting {
    _server: Server,
    folder: PathBuf,
    arguments: Vec<String>,
}

impl Setting {
    fn new() -> Result<Setting> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("ochre-connections-{}-{port}", std::process::id()));
        let authority = Authority::new(&folder)?;
        let keys = authority.issue("server")?;
        authority.issue("client")?;
        let options = keys.server_options(&authority, port);
        let server = Server::start(&options.iter().map(String::as_str).collect::<Vec<_>>())?;
        let address: SocketAddr = server.address();
        let path = folder.to_str().context("a path that is no text")?;
        let arguments = words(&[&address.port().to_string(), &port.to_string(), path]);
        Ok(Setting { _server: server, folder, arguments })
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn redis_py_connects() -> Result<()> {
    scripts::python("connections.py", &Setting::new()?.arguments)
}

#[test]
fn node_redis_and_ioredis_connect() -> Result<()> {
    scripts::node("connections.js", &Setting::new()?.arguments)
}

#[test]
fn redis_rs_connects() -> Result<()> {
    let setting = Setting::new()?;
    // Another test of this program may have chosen it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let [port, tls_port, _] = setting.arguments.as_slice() else { anyhow::bail!("three arguments") };
    let read = |name: &str| std::fs::read(setting.folder.join(name));
    let certificates = TlsCertificates {
        client_tls: Some(ClientTlsConfig { client_cert: read("client.crt")?, client_key: read("client.key")? }),
        root_cert: Some(read("ca.crt")?),
    };
    let mut admin = Client::open(format!("redis://127.0.0.1:{port}"))?.get_connection()?;
    let rules = ["SETUSER", "app", "on", ">secret", "~app:*", "+@all", "-@dangerous"];
    cmd("ACL").arg(&rules).exec(&mut admin)?;
    for protocol in ["resp2", "resp3"] {
        for (login, user) in [("", "default"), ("app:secret@", "app")] {
            let plain = Client::open(format!("redis://{login}127.0.0.1:{port}/?protocol={protocol}"))?;
            let url = format!("rediss://{login}127.0.0.1:{tls_port}/?protocol={protocol}");
            for client in [plain, Client::build_with_tls(url, certificates.clone())?] {
                let mut connection = client.get_connection()?;
                let name: String = cmd("ACL").arg("WHOAMI").query(&mut connection)?;
                assert_eq!(name, user);
                let large = "x".repeat(1 << 20);
                cmd("SET").arg("app:large").arg(&large).exec(&mut connection)?;
                let back: String = cmd("GET").arg("app:large").query(&mut connection)?;
                ensure!(back == large);
                let outcome = cmd("SET").arg("other").arg(1).exec(&mut connection);
                let kind = outcome.as_ref().err().map(redis::RedisError::kind);
                let refused = ErrorKind::Server(ServerErrorKind::NoPerm);
                assert_eq!(kind, (user == "app").then_some(refused), "{outcome:?}");
            }
        }
    }
    ensure!(Client::open(format!("redis://app:wrong@127.0.0.1:{port}"))?.get_connection().is_err());
    Ok(())
}
