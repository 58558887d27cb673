//! TLS: who gets in, with what, and that nobody is held up by those who do not.

use std::collections::HashSet;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ochre_tests::{Authority, Client, Keys, Reply, Server, await_that, free_port, scripts, uri};
use rustls::{ClientConfig, HandshakeKind, version};

/// A server with TLS, and the folder with everybody's keys.
struct Secured {
    authority: Authority,
    server: Server,
    address: SocketAddr,
    client: Keys,
}

impl Secured {
    fn start(options: &[&str]) -> Result<Secured> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("ochre-tls-{}-{port}", std::process::id()));
        let authority = Authority::new(&folder)?;
        let (keys, client) = (authority.issue("server")?, authority.issue("client")?);
        let mut all = keys.server_options(&authority, port);
        all.extend(options.iter().map(|&option| option.to_owned()));
        let server = Server::start(&all.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Secured { authority, server, address: (Ipv4Addr::LOCALHOST, port).into(), client })
    }

    fn config(&self) -> Result<Arc<ClientConfig>> {
        self.authority.client(Some(&self.client), &[])
    }

    fn connect(&self) -> Result<Client> {
        Client::connect_tls(self.address, &self.config()?)
    }

    /// What PING says to a client of that kind.
    fn ping(&self, config: &Arc<ClientConfig>) -> Result<Reply> {
        Client::connect_tls(self.address, config)?.command(&["PING"])
    }

    fn info(&self, field: &str) -> Result<String> {
        let info = self.server.client()?.command(&["INFO", "everything"])?.text()?;
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
        line.with_context(|| format!("no {field} in {info}"))
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        if let Some(folder) = self.client.key.parent() {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

fn pong() -> Reply {
    Reply::Simple("PONG".into())
}

fn failed(argument: &str) -> Reply {
    Reply::Error(format!(
        "ERR CONFIG SET failed (possibly related to argument '{argument}') - Unable to update TLS configuration. Check \
         server logs."
    ))
}

#[test]
fn certificates_of_clients_are_asked_for_as_configured() -> Result<()> {
    let secured = Secured::start(&[])?;
    let stranger_folder = secured.client.key.with_file_name("stranger");
    let strangers = Authority::new(&stranger_folder)?;
    let stranger = strangers.issue("client")?;
    let with = secured.config()?;
    let without = secured.authority.client(None, &[])?;
    let strange = secured.authority.client(Some(&stranger), &[])?;
    let mut admin = secured.server.client()?;
    for (auth, none_is_in, stranger_is_in) in [("yes", false, false), ("no", true, true), ("optional", true, false)] {
        admin.set_config("tls-auth-clients", auth)?;
        assert_eq!(secured.ping(&with)?, pong(), "{auth}");
        assert_eq!(secured.ping(&without).is_ok(), none_is_in, "{auth}");
        assert_eq!(secured.ping(&strange).is_ok(), stranger_is_in, "{auth}");
    }
    // Whoever was in stays in.
    let mut early = secured.connect()?;
    admin.set_config("tls-auth-clients", "yes")?;
    assert_eq!(early.command(&["PING"])?, pong());
    Ok(())
}

#[test]
fn plain_clients_and_secure_ones_do_not_mix() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut plain = Client::connect(secured.address)?;
    plain.send(b"PING\r\n")?;
    let answer = plain.read_to_close(Duration::from_secs(5))?;
    assert_eq!(answer, b"");
    assert_eq!(secured.ping(&secured.config()?)?, pong());
    Ok(())
}

#[test]
fn the_plain_port_may_be_closed() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut client = secured.connect()?;
    client.set_config("port", "0")?;
    ensure!(Client::connect(secured.server.address()).is_err());
    assert_eq!(secured.ping(&secured.config()?)?, pong());
    // The ports change their parts, one after the other and at once.
    let tls_port = secured.address.port().to_string();
    assert_eq!(client.command(&["CONFIG", "SET", "tls-port", "0", "port", &tls_port])?, Reply::ok());
    assert_eq!(Client::connect(secured.address)?.command(&["PING"])?, pong());
    assert_eq!(client.command(&["CONFIG", "SET", "port", "0", "tls-port", &tls_port])?, Reply::ok());
    assert_eq!(secured.ping(&secured.config()?)?, pong());
    Ok(())
}

#[test]
fn versions_and_ciphers_are_limited() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut admin = secured.server.client()?;
    let only = |version| secured.authority.client(Some(&secured.client), &[version]);
    let (old, new) = (only(&version::TLS12)?, only(&version::TLS13)?);
    admin.set_config("tls-protocols", "TLSv1.2")?;
    assert_eq!((secured.ping(&old).is_ok(), secured.ping(&new).is_ok()), (true, false));
    admin.set_config("tls-protocols", "TLSv1.3")?;
    assert_eq!((secured.ping(&old).is_ok(), secured.ping(&new).is_ok()), (false, true));
    admin.set_config("tls-protocols", "")?;
    let cipher = |config: &Arc<ClientConfig>| {
        let client = Client::connect_tls(secured.address, config)?;
        let suite = client.session().and_then(|session| session.negotiated_cipher_suite()).context("no cipher")?;
        Ok::<_, anyhow::Error>(format!("{:?}", suite.suite()))
    };
    admin.set_config("tls-ciphers", "DEFAULT:!AES256:-CHACHA20")?;
    assert_eq!(cipher(&old)?, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
    admin.set_config("tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256")?;
    // The client prefers AES of the two.
    assert_eq!(cipher(&new)?, "TLS13_AES_128_GCM_SHA256");
    admin.set_config("tls-prefer-server-ciphers", "yes")?;
    assert_eq!(cipher(&new)?, "TLS13_CHACHA20_POLY1305_SHA256");
    for (name, value) in [
        ("tls-protocols", "TLSv1.1"),
        ("tls-protocols", "SSLv3"),
        ("tls-ciphers", "AES128-SHA256"),
        ("tls-ciphersuites", "TLS_AES_128_CCM_SHA256"),
    ] {
        assert_eq!(admin.command(&["CONFIG", "SET", name, value])?, failed(name));
    }
    assert_eq!(secured.ping(&new)?, pong());
    Ok(())
}

#[test]
fn sessions_are_resumed_while_they_are_remembered() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut admin = secured.server.client()?;
    let kind = |config: &Arc<ClientConfig>| {
        let mut client = Client::connect_tls(secured.address, config)?;
        // Tickets come behind the handshake.
        assert_eq!(client.command(&["PING"])?, pong());
        client.session().and_then(|session| session.handshake_kind()).context("no handshake")
    };
    for version in [&version::TLS12, &version::TLS13] {
        admin.set_config("tls-session-caching", "yes")?;
        let config = secured.authority.client(Some(&secured.client), &[version])?;
        assert_eq!((kind(&config)?, kind(&config)?), (HandshakeKind::Full, HandshakeKind::Resumed));
        admin.set_config("tls-session-caching", "no")?;
        let config = secured.authority.client(Some(&secured.client), &[version])?;
        assert_eq!((kind(&config)?, kind(&config)?), (HandshakeKind::Full, HandshakeKind::Full));
    }
    Ok(())
}

#[test]
fn certificates_are_replaced_while_it_runs() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut admin = secured.server.client()?;
    let shown = || {
        let client = secured.connect()?;
        let chain = client.session().and_then(|session| session.peer_certificates()).context("no certificate")?;
        Ok::<_, anyhow::Error>(chain.first().context("an empty chain")?.clone().into_owned())
    };
    let mut serials = HashSet::from([secured.info("tls_server_cert_serial")?]);
    // By CONFIG SET.
    let second = secured.authority.issue("second")?;
    let (certificate, key) = (second.certificate.display().to_string(), second.key.display().to_string());
    // Only both together belong together.
    assert_eq!(admin.command(&["CONFIG", "SET", "tls-cert-file", &certificate])?, failed("tls-cert-file"));
    let both = ["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key];
    assert_eq!(admin.command(&both)?, Reply::ok());
    assert_eq!(&shown()?, second.der());
    ensure!(serials.insert(secured.info("tls_server_cert_serial")?));
    // By itself, once the files have changed. A pair that does not fit in between changes nothing.
    admin.set_config("tls-auto-reload-interval", "1")?;
    let third = secured.authority.issue("third")?;
    std::fs::copy(&third.certificate, &second.certificate)?;
    secured.server.wait_for_log("Failed to reload TLS materials")?;
    assert_eq!(&shown()?, second.der());
    std::fs::copy(&third.key, &second.key)?;
    secured.server.wait_for_log("TLS materials reloaded successfully")?;
    assert_eq!(&shown()?, third.der());
    ensure!(serials.insert(secured.info("tls_server_cert_serial")?));
    Ok(())
}

#[test]
fn info_tells_about_certificates() -> Result<()> {
    let secured = Secured::start(&["--tls-auth-clients", "no"])?;
    let server = secured.authority.issue_with("short", |params| {
        params.serial_number = Some(vec![0x0a, 0xbc, 0xde].into());
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
    })?;
    let mut admin = secured.server.client()?;
    let (certificate, key) = (server.certificate.display().to_string(), server.key.display().to_string());
    let both = ["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key];
    assert_eq!(admin.command(&both)?, Reply::ok());
    assert_eq!(secured.info("tls_server_cert_serial")?, "0ABCDE");
    // 2100-01-01
    let end_s = 4_102_444_800 - std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_secs();
    let left_s: u64 = secured.info("tls_server_cert_expires_in_seconds")?.parse()?;
    ensure!(left_s.abs_diff(end_s) <= 2, "{left_s} {end_s}");
    assert_eq!(secured.info("tls_client_cert_serial")?, "none");
    assert_eq!(secured.info("tls_client_cert_expires_in_seconds")?, "0");
    ensure!(secured.info("tls_ca_cert_serial")? != "none");
    ensure!(secured.info("listener1")?.starts_with("name=tls,bind=127.0.0.1,port="));
    admin.set_config("tls-port", "0")?;
    assert_eq!(secured.info("tls_server_cert_serial")?, "none");
    Ok(())
}

#[test]
fn outdated_certificates_and_wrong_keys_are_refused() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut admin = secured.server.client()?;
    let expired =
        secured.authority.issue_with("expired", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1))?;
    let early = secured.authority.issue_with("early", |params| params.not_before = rcgen::date_time_ymd(2100, 1, 1))?;
    for keys in [&expired, &early] {
        let (certificate, key) = (keys.certificate.display().to_string(), keys.key.display().to_string());
        let both = ["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key];
        assert_eq!(admin.command(&both)?, failed("tls-cert-file"));
    }
    secured.server.wait_for_log("Server TLS certificate is invalid")?;
    assert_eq!(admin.command(&["CONFIG", "SET", "tls-cert-file", "/nothing/here"])?, failed("tls-cert-file"));
    assert_eq!(secured.ping(&secured.config()?)?, pong());
    // Clients with such certificates stay out, too.
    ensure!(secured.ping(&secured.authority.client(Some(&expired), &[])?).is_err());
    // A server does not start with one.
    let (port, mut command) = (free_port()?, Command::new(ochre_tests::program()?));
    command.args(expired.server_options(&secured.authority, port)).args(["--port", "0"]);
    let output = command.output()?;
    ensure!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    ensure!(text.contains("Server TLS certificate is invalid") && text.contains("Failed to configure TLS"), "{text}");
    Ok(())
}

#[test]
fn keys_may_be_encrypted() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut admin = secured.server.client()?;
    let openssl = |arguments: &[&str]| scripts::output(Command::new("openssl").args(arguments)).map(drop);
    let path = |name: &str| secured.client.key.with_file_name(name).display().to_string();
    let (plain, certificate) = (path("rsa.key"), path("rsa.crt"));
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=rsa",
        "-keyout",
        &plain,
        "-out",
        &certificate,
    ])?;
    for (name, options) in [
        ("modern", &["pkcs8", "-topk8"][..]),
        ("pbkdf2-3des", &["pkcs8", "-topk8", "-v2", "des3"]),
        ("traditional", &["rsa", "-aes256", "-traditional"]),
        ("traditional-128", &["rsa", "-aes128", "-traditional"]),
        ("traditional-3des", &["rsa", "-des3", "-traditional"]),
    ] {
        let key = path(name);
        let files = ["-in", &plain, "-out", &key, "-passout", "pass:1234"];
        openssl(&[options, &files].concat())?;
        admin.set_config("tls-key-file-pass", "")?;
        let both = ["CONFIG", "SET", "tls-cert-file", &certificate, "tls-key-file", &key];
        assert_eq!(admin.command(&both)?, failed("tls-cert-file"), "{name}");
        let with_pass = |pass| [&both[..], &["tls-key-file-pass", pass]].concat();
        assert_eq!(admin.command(&with_pass("4321"))?, failed("tls-cert-file"), "{name}");
        assert_eq!(admin.command(&with_pass("1234"))?, Reply::ok(), "{name}");
        let server = path("server.crt");
        let back = ["CONFIG", "SET", "tls-cert-file", &server, "tls-key-file", &path("server.key")];
        assert_eq!(admin.command(&back)?, Reply::ok());
    }
    ensure!(!secured.server.log().contains("1234"));
    Ok(())
}

/// What other servers accept by way of OpenSSL: certificates of version 1, and some that are their own authority.
#[test]
fn certificates_that_openssl_takes_are_taken() -> Result<()> {
    let secured = Secured::start(&[])?;
    let openssl = |arguments: &[&str]| scripts::output(Command::new("openssl").args(arguments)).map(drop);
    let path = |name: &str| secured.client.key.with_file_name(name).display().to_string();
    let self_made = |name: &str| {
        let (key, certificate) = (path(&format!("{name}.key")), path(&format!("{name}.crt")));
        let subject = format!("/O=Test/CN={name}");
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            &subject,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ])?;
        Ok::<_, anyhow::Error>((certificate, key))
    };
    let (authority, authority_key) = self_made("authority")?;
    let (own, own_key) = self_made("own")?;
    let (other, other_key) = self_made("other")?;
    let (old, old_key, request) = (path("old.crt"), path("old.key"), path("old.csr"));
    openssl(&[
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=old", "-keyout", &old_key, "-out", &request,
    ])?;
    openssl(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &authority,
        "-CAkey",
        &authority_key,
        "-CAcreateserial",
        "-out",
        &old,
    ])?;
    let shown = scripts::output(Command::new("openssl").args(["x509", "-noout", "-text", "-in", &old]))?;
    ensure!(shown.contains("Version: 1"), "the test needs a certificate of version 1: {shown}");
    let bundle = path("bundle.crt");
    std::fs::write(&bundle, std::fs::read_to_string(&authority)? + &std::fs::read_to_string(&own)?)?;
    let mut admin = secured.server.client()?;
    let settings = ["CONFIG", "SET", "tls-cert-file", &old, "tls-key-file", &old_key, "tls-ca-cert-file", &bundle];
    assert_eq!(admin.command(&settings)?, Reply::ok());
    let port = secured.address.port().to_string();
    let ping = |certificate: &str, key: &str, protocols: &str| {
        let client = ["-p", &port, "--tls", "--cacert", &authority, "--cert", certificate, "--key", key, "PING"];
        admin.set_config("tls-protocols", protocols)?;
        scripts::output(Command::new("redis-cli").args(client))
    };
    let mut ping = ping;
    for protocols in ["TLSv1.2", "TLSv1.3"] {
        assert_eq!(ping(&old, &old_key, protocols)?.trim(), "PONG", "{protocols}");
        assert_eq!(ping(&own, &own_key, protocols)?.trim(), "PONG", "{protocols}");
        let refused = ping(&other, &other_key, protocols);
        ensure!(!refused.as_ref().is_ok_and(|text| text.contains("PONG")), "{protocols}: {refused:?}");
    }
    Ok(())
}

#[test]
fn who_does_not_finish_a_handshake_holds_nobody_up() -> Result<()> {
    let secured = Secured::start(&["--tls-handshake-timeout", "1500"])?;
    let config = secured.config()?;
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(secured.address)?;
        match number % 3 {
            // The beginning of a hello, and a record that announces more than there will be.
            1 => stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01])?,
            2 => stream.write_all(&[[0x16, 0x03, 0x03, 0x40, 0x00].as_slice(), &[1; 4000]].concat())?,
            _ => {}
        }
        idle.push(stream);
    }
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(secured.ping(&config)?, pong());
    }
    ensure!(started.elapsed() < Duration::from_millis(1400), "{:?}", started.elapsed());
    for stream in idle {
        // Those that wait are cut off in time; those that sent nonsense, before.
        Client::of(stream)?.read_to_close(Duration::from_secs(10))?;
    }
    await_that("no client is left", || Ok(secured.info("connected_clients")? == "1"))?;
    Ok(())
}

#[test]
fn handshakes_count_as_clients() -> Result<()> {
    let secured = Secured::start(&["--maxclients", "10"])?;
    let _idle: Vec<_> = (0..10).map(|_| TcpStream::connect(secured.address)).collect::<Result<_, _>>()?;
    // Those are on their way through the accept queue before this one.
    let late = Client::connect(secured.address)?.read_to_close(Duration::from_secs(5))?;
    ensure!(late.is_empty());
    await_that("it is counted", || Ok(secured.info("rejected_connections")? == "1"))
}

#[test]
fn large_and_small_data_arrive_whole() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut client = secured.connect()?;
    let value: String = (0..5_000_000).map(|at| char::from(b'a' + (at % 26) as u8)).collect();
    assert_eq!(client.command(&["SET", "large", &value])?, Reply::ok());
    assert_eq!(client.command(&["GET", "large"])?, Reply::bulk(&value));
    // Many replies before anything is read.
    let count = 20_000;
    client.send(&b"GET small\r\nPING\r\n".repeat(count))?;
    for _ in 0..count {
        assert_eq!((client.read_reply()?, client.read_reply()?), (Reply::Null, pong()));
    }
    // One byte a record.
    for byte in b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n" {
        client.send(&[*byte])?;
    }
    assert_eq!(client.read_reply()?, Reply::bulk("hi"));
    // Ten large replies that wait until the client reads.
    client.send(&b"GET large\r\n".repeat(10))?;
    assert_eq!(secured.connect()?.command(&["PING"])?, pong());
    for _ in 0..10 {
        assert_eq!(client.read_reply()?, Reply::bulk(&value));
    }
    assert_eq!(client.command(&["QUIT"])?, Reply::ok());
    assert_eq!(client.read_to_close(Duration::from_secs(5))?, b"");
    Ok(())
}

#[test]
fn blocked_and_watching_clients_are_served() -> Result<()> {
    let secured = Secured::start(&[])?;
    let (mut waiting, mut pushing, mut monitor) = (secured.connect()?, secured.connect()?, secured.connect()?);
    assert_eq!(monitor.command(&["MONITOR"])?, Reply::ok());
    waiting.send(b"BLPOP list 0\r\n")?;
    await_that("it waits", || Ok(secured.info("blocked_clients")? == "1"))?;
    assert_eq!(pushing.command(&["RPUSH", "list", "x"])?, Reply::Integer(1));
    assert_eq!(waiting.read_reply()?, Reply::Array(vec![Reply::bulk("list"), Reply::bulk("x")]));
    while !monitor.read_reply()?.text()?.contains("RPUSH") {}
    Ok(())
}

#[test]
fn certificates_log_users_in() -> Result<()> {
    let secured = Secured::start(&[])?;
    let mut admin = secured.server.client()?;
    for rules in [["client", "on", "+@all"], ["urn:one", "on", "+@all"], ["urn:two", "on", "+@all"]] {
        assert_eq!(admin.command(&[&["ACL", "SETUSER"], &rules[..]].concat())?, Reply::ok());
    }
    let keys = secured.authority.issue_with("client", |params| {
        params.subject_alt_names = ["urn:one", "urn:two"].iter().filter_map(|name| uri(name).ok()).collect();
    })?;
    let config = secured.authority.client(Some(&keys), &[])?;
    let who = || Client::connect_tls(secured.address, &config)?.command(&["ACL", "WHOAMI"])?.text();
    assert_eq!(who()?, "default");
    admin.set_config("tls-auth-clients-user", "CN")?;
    assert_eq!(who()?, "client");
    admin.set_config("tls-auth-clients-user", "URI")?;
    assert_eq!(who()?, "urn:one");
    assert_eq!(admin.command(&["ACL", "SETUSER", "urn:one", "off"])?, Reply::ok());
    assert_eq!(who()?, "urn:two");
    assert_eq!(secured.info("acl_access_denied_tls_cert")?, "0");
    assert_eq!(admin.command(&["ACL", "DELUSER", "urn:two"])?, Reply::Integer(1));
    assert_eq!(who()?, "default");
    assert_eq!(secured.info("acl_access_denied_tls_cert")?, "1");
    let log = format!("{:?}", admin.command(&["ACL", "LOG"])?);
    ensure!(log.contains(&format!("{:?}", Reply::bulk("tls-cert"))), "{log}");
    ensure!(log.contains(&format!("{:?}", Reply::bulk("urn:one"))), "{log}");
    // A password is not needed, but still asked for where the certificate names nobody.
    admin.set_config("requirepass", "secret")?;
    let noauth = || Client::connect_tls(secured.address, &config)?.command(&["PING"]);
    ensure!(matches!(noauth()?, Reply::Error(text) if text.starts_with("NOAUTH")));
    assert_eq!(admin.command(&["ACL", "SETUSER", "urn:one", "on"])?, Reply::ok());
    assert_eq!(who()?, "urn:one");
    Ok(())
}

#[test]
fn redis_cli_and_redis_benchmark_work() -> Result<()> {
    let secured = Secured::start(&[])?;
    let port = secured.address.port().to_string();
    let (certificate, key) =
        (secured.client.certificate.display().to_string(), secured.client.key.display().to_string());
    let authority = secured.authority.file();
    let options = ["-p", &port, "--tls", "--cacert", &authority, "--cert", &certificate, "--key", &key];
    let pong = scripts::output(Command::new("redis-cli").args(options).arg("PING"))?;
    assert_eq!(pong.trim(), "PONG");
    for pipeline in ["1", "16"] {
        let mut benchmark = Command::new("redis-benchmark");
        benchmark.args(options).args(["-t", "set,get,lrange_600", "-n", "5000", "-d", "1000", "-P", pipeline, "-q"]);
        let report = scripts::output(&mut benchmark)?;
        ensure!(report.contains("SET: ") && report.contains("LRANGE_600"), "{report}");
        ensure!(!report.to_ascii_lowercase().contains("error"), "{report}");
    }
    Ok(())
}
