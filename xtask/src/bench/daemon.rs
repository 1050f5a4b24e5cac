//! A release daemon in a data folder of its own.

use super::http::Client;
use crate::step::root;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Names a daemon to measure instead of building one: to compare versions.
const PROGRAM: &str = "BOG_BENCH_PROGRAM";

/// The binary to measure, if one was named.
pub fn given_program() -> Option<PathBuf> {
    std::env::var_os(PROGRAM).map(PathBuf::from)
}

/// How long a daemon may take to become ready the first time, with thousands of new jobs to take in.
const READY_WITHIN: Duration = Duration::from_secs(120);
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// A data folder below `target/`, removed in the end. Runners whose run folder is gone end themselves.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes an empty folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        let folder = root().join("target/bench").join(format!("{name}-{}", std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(folder.join("jobs")).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        Ok(Self(folder))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Sets how many runs may be under way at once.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn max_concurrent(&self, count: u32) -> Result<()> {
        Ok(fs::write(self.0.join("config.toml"), format!("max_concurrent = {count}\n"))?)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A runner may still write into it for a moment; what is left lies under `target/`.
        for _ in 0..10 {
            if fs::remove_dir_all(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        eprintln!("    `{}` could not be removed", self.0.display());
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    address: SocketAddr,
    token: String,
    /// Time from spawn to the line that says it is ready.
    pub ready_after: Duration,
    // Kept open, so that the daemon never writes into a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

impl Daemon {
    /// Starts the release binary and waits for its line `listening on http://HOST:PORT`.
    ///
    /// # Errors
    /// When it cannot be started, ends early, or is not ready in time.
    pub fn start(data: &Scratch) -> Result<Self> {
        Self::start_with(data, &[])
    }

    /// As [`Self::start`], with these variables.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(data: &Scratch, variables: &[(&str, &str)]) -> Result<Self> {
        let program = given_program().unwrap_or_else(|| root().join("target/release/bog-agents-daemon"));
        let mut command = Command::new(&program);
        command.args(["run", "--port", "0"]).env("BOG_DAEMON_DATA_DIR", data.path()).envs(variables.iter().copied());
        let log = fs::File::create(data.path().join("bench-stderr.log"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let before = Instant::now();
        let mut child = command.spawn().with_context(|| format!("`{}` cannot be started", program.display()))?;
        let Some(stdout) = child.stdout.take() else { bail!("the daemon has no stdout") };
        let mut stdout = BufReader::new(stdout);
        let ready = wait_until_ready(&mut stdout, before);
        let (address, ready_after) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(data.path().join("bench-stderr.log")).unwrap_or_default();
                let tail = log.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
                return Err(error.context(format!("its last words, newest first: {tail}")));
            }
        };
        let token = fs::read_to_string(data.path().join(".token")).context("`.token` cannot be read")?;
        Ok(Self { child, address, token: token.trim().to_owned(), ready_after, _stdout: stdout })
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new keep-alive connection.
    ///
    /// # Errors
    /// When the daemon does not take it.
    pub fn connect(&self) -> Result<Client> {
        Client::connect(self.address, &self.token)
    }

    /// Ends it as a service manager would, and waits.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> Result<()> {
        let pid = self.pid().to_string();
        // The shell's own `kill`: no program of that name is needed.
        Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status()?;
        let deadline = Instant::now() + STOP_WITHIN;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the daemon did not end within {STOP_WITHIN:?} of SIGTERM");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines until the one that says where it listens. The read itself has no deadline: a daemon that hangs is seen
/// by the one who looks at the benchmark, and one that ends closes the pipe.
fn wait_until_ready(stdout: &mut BufReader<ChildStdout>, before: Instant) -> Result<(SocketAddr, Duration)> {
    let mut line = String::new();
    while before.elapsed() < READY_WITHIN {
        line.clear();
        if stdout.read_line(&mut line)? == 0 {
            bail!("the daemon ended before it was ready");
        }
        if let Some(address) = line.trim().strip_prefix("listening on http://") {
            let address = address.parse().with_context(|| format!("`{address}` is no address with a port"))?;
            return Ok((address, before.elapsed()));
        }
    }
    bail!("the daemon was not ready within {READY_WITHIN:?}");
}
