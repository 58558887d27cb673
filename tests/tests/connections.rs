//! Foreign clients connect in every way: both protocols, TLS, users.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ochre_tests::{Authority, Server, free_port, scripts};

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
