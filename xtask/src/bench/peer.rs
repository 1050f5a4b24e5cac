//! Debian's `webhook` (github.com/adnanh/webhook), which starts a command for a signed request.

use super::daemon::Scratch;
use super::hooks::SECRET;
use crate::programs;
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(20);

/// A running `webhook`; killed when dropped.
pub struct Peer {
    child: Child,
    address: SocketAddr,
    _folder: Scratch,
}

impl Peer {
    /// Starts it with two hooks, `true` and `stamp`; `None` where it is not installed.
    ///
    /// # Errors
    /// When it is installed and does not come up.
    pub fn start() -> Result<Option<Self>> {
        if !programs::on_path("webhook") {
            return Ok(None);
        }
        let folder = Scratch::new("webhook-peer")?;
        let program = std::env::current_exe()?;
        let rule = json!({ "match": { "type": "payload-hmac-sha256", "secret": SECRET.1,
                                      "parameter": { "source": "header", "name": "X-Hub-Signature-256" } } });
        let hooks = json!([
            { "id": "true", "execute-command": "/bin/true", "trigger-rule": rule },
            { "id": "stamp", "execute-command": program, "trigger-rule": rule, "include-command-output-in-response": true,
              "pass-arguments-to-command": [{ "source": "string", "name": "stamp" }] },
        ]);
        let file = folder.path().join("hooks.json");
        fs::write(&file, hooks.to_string())?;
        // Nobody else takes the port in the moment between.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new("webhook");
        command.arg("-hooks").arg(&file).args(["-ip", "127.0.0.1", "-port", &address.port().to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let peer = Self { child: child.context("`webhook` cannot be started")?, address, _folder: folder };
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                bail!("`webhook` did not listen within {READY_WITHIN:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(peer))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
