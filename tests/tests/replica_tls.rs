//! Links to a primary over TLS.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use ochre_tests::{Authority, Client, Keys, Reply, Server, await_that, free_port};

/// An authority, and a folder that goes with it.
struct Place {
    folder: PathBuf,
    authority: Authority,
}

impl Place {
    fn new(name: &str) -> Result<Place> {
        let folder = std::env::temp_dir().join(format!("ochre-{name}-{}", std::process::id()));
        Ok(Place { authority: Authority::new(&folder)?, folder })
    }
    /// A server whose port for TLS is that one.
    fn start(&self, keys: &Keys, port: u16, more: &[&str]) -> Result<Server> {
        let mut options = keys.server_options(&self.authority, port);
        options.extend(["--tls-replication".to_owned(), "yes".to_owned()]);
        options.extend(more.iter().map(|&option| option.to_owned()));
        Server::start(&options.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn await_equal(primary: &mut Client, replica: &mut Client) -> Result<()> {
    await_that("the replica has caught up", || {
        Ok(primary.info("master_repl_offset")? == replica.info("slave_repl_offset")?)
    })?;
    let digest = ["DEBUG", "DIGEST"];
    ensure!(primary.command(&digest)? == replica.command(&digest)?, "they differ");
    Ok(())
}

#[test]
fn a_replica_follows_by_tls() -> Result<()> {
    const DEBUG: [&str; 2] = ["--enable-debug-command", "yes"];
    let place = Place::new("replica-tls")?;
    let (first, second) = (free_port()?, free_port()?);
    let primary = place.start(&place.authority.issue("primary")?, first, &DEBUG)?;
    let mut here = primary.client()?;
    let long = "x".repeat(2 << 20);
    here.command(&["SET", "long", &long])?;
    here.command(&["DEBUG", "POPULATE", "20000"])?;
    for (diskless_sync, diskless_load) in [("yes", "disabled"), ("no", "disabled"), ("yes", "swapdb")] {
        here.set_config("repl-diskless-sync", diskless_sync)?;
        here.set_config("repl-diskless-sync-delay", "0")?;
        let load = [&DEBUG[..], &["--repl-diskless-load", diskless_load]].concat();
        let replica = place.start(&place.authority.issue("replica")?, second, &load)?;
        let mut there = replica.client()?;
        there.command(&["REPLICAOF", "127.0.0.1", &first.to_string()])?;
        await_that("the link is up", || Ok(there.info("master_link_status")? == "up"))?;
        here.command(&["INCR", "counter"])?;
        here.command(&["APPEND", "long", &long])?;
        ensure!(here.command(&["WAIT", "1", "20000"])? == Reply::Integer(1), "{diskless_sync} {diskless_load}");
        await_equal(&mut here, &mut there)?;
        // A link that breaks is made again, and only what is missing comes.
        let synced = here.info("sync_full")?;
        here.command(&["CLIENT", "KILL", "TYPE", "replica"])?;
        here.command(&["SET", "while-away", diskless_load])?;
        await_that("it is back", || Ok(here.command(&["WAIT", "1", "100"])? == Reply::Integer(1)))?;
        await_equal(&mut here, &mut there)?;
        ensure!(here.info("sync_full")? == synced, "all was sent again");
        // Without TLS there is no link to that port, and with it none to the other.
        there.set_config("tls-replication", "no")?;
        there.command(&["REPLICAOF", "NO", "ONE"])?;
        there.command(&["REPLICAOF", "127.0.0.1", &first.to_string()])?;
        replica.wait_for_log("Master did not respond to command during SYNC handshake")?;
        there.set_config("tls-replication", "yes")?;
        await_that("the link is up again", || Ok(there.info("master_link_status")? == "up"))?;
    }
    Ok(())
}

#[test]
fn primary_and_replica_check_each_other() -> Result<()> {
    let (place, strange) = (Place::new("replica-tls-own")?, Place::new("replica-tls-strange")?);
    let (first, second) = (free_port()?, free_port()?);
    let primary = place.start(&place.authority.issue("primary")?, first, &[])?;
    // It trusts the primary, which does not trust it.
    let stranger = place.start(&strange.authority.issue("replica")?, second, &[])?;
    let mut there = stranger.client()?;
    there.command(&["REPLICAOF", "127.0.0.1", &first.to_string()])?;
    primary.wait_for_log("Error accepting a client connection")?;
    ensure!(there.info("master_link_status")? == "down");
    // With a certificate of its own for such connections it does.
    let client = place.authority.issue("client")?;
    let (certificate, key) = (client.certificate.display().to_string(), client.key.display().to_string());
    let set = ["CONFIG", "SET", "tls-client-cert-file", &certificate, "tls-client-key-file", &key];
    ensure!(there.command(&set)? == Reply::ok());
    await_that("the link is up", || Ok(there.info("master_link_status")? == "up"))?;
    // One that does not trust the primary makes no link.
    let wary = strange.start(&place.authority.issue("wary")?, free_port()?, &[])?;
    let mut wary_client = wary.client()?;
    wary_client.command(&["REPLICAOF", "127.0.0.1", &first.to_string()])?;
    wary.wait_for_log("Error condition on socket for SYNC")?;
    ensure!(wary_client.info("master_link_status")? == "down");
    Ok(())
}
