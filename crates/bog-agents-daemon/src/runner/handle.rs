//! The daemon's handle to a runner: prepare an attempt's folder, start its runner, wait for its end, cancel it.
//!
//! It is all that the daemon needs to know of runners, the shapes included. Nothing here keeps a run alive or ends one
//! by being dropped: the runner goes on without the daemon.

pub use super::outcome::read_outcome;
use super::protocol::{ATTEMPT_FILE, CANCEL_VERSION, Command as ControlCommand, EXIT_NO_SPACE, Reply, Request};
pub use super::protocol::{AttemptSpec, EVENT_FILE, OutcomeRecord, Speaks, TreeLimits, VERSION};
pub use super::recovery::{Found, inspect, is_live};
use super::recovery::{Judged, judge, no_space};
pub use super::tree::{Mark, Marked, Process, end_marked, marked_by, sweep};
pub use super::used::read as used;
use super::{OWN_PROGRAM, RUNNER};
use bog_domain::ids::RunId;
use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// How long a control message may take to be answered.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a runner may take until it listens.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a lock is looked at where no socket tells of the runner's end.
const POLL_LOCK_EVERY: Duration = Duration::from_millis(100);
/// How often a folder that cannot be judged (no descriptors left, for one) is looked at again before it is given up.
const JUDGE_TRIES: u32 = 100;
/// Socket paths are limited to 108 bytes on Linux and 104 elsewhere; the file name takes 50 of them.
const SOCKET_DIR_MAX_BYTES: usize = 50;

/// How an attempt ended.
#[derive(Debug)]
pub enum Ended {
    /// The runner said how.
    Outcome(Box<OutcomeRecord>),
    /// It never began, and never will: that costs no retry.
    NeverBegan,
    /// The runner died without a word, or its folder is gone. No process of the attempt is left.
    Lost {
        /// What is known, for people.
        reason: String,
        /// How many processes it had left behind, which were ended.
        left: usize,
    },
}

/// A runner: one that this process started, or one that it adopted.
#[derive(Debug)]
pub struct Runner {
    dir: PathBuf,
    control: Control,
    child: Option<Child>,
}

/// The way to send a runner control messages. Cheap to clone, and independent of [`Runner::wait`].
#[derive(Debug, Clone)]
pub struct Control {
    socket: PathBuf,
}

/// The folder for control sockets: short, of this user alone, and gone after a reboot.
///
/// # Errors
/// Where it cannot be created or belongs to somebody else.
pub fn socket_dir() -> io::Result<PathBuf> {
    let user = nix::unistd::geteuid();
    let dir = crate::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|runtime| {
            runtime.is_absolute() && runtime.is_dir() && runtime.as_os_str().len() <= SOCKET_DIR_MAX_BYTES - 11
        })
        .map_or_else(|| PathBuf::from(format!("/tmp/bog-agents-{user}")), |runtime| runtime.join("bog-agents"));
    match DirBuilder::new().mode(0o700).create(&dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = std::fs::symlink_metadata(&dir)?;
    if !found.is_dir() || found.uid() != user.as_raw() {
        let dir = dir.display();
        return Err(io::Error::other(format!("`{dir}` is not a folder of this user; remove it and start again")));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
    }
    Ok(dir)
}

/// Where the runner of this attempt listens.
///
/// # Errors
/// As [`socket_dir`].
pub fn socket_path(run_id: RunId, attempt: u32) -> io::Result<PathBuf> {
    Ok(socket_dir()?.join(format!("{run_id}-{attempt}")))
}

/// Makes the attempt's folder: `attempt.json`, and `event.json` for the agent.
///
/// # Errors
/// Where the disk is full or the folder may not be written.
pub fn prepare(dir: &Path, spec: &AttemptSpec, event: &serde_json::Value) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let write = |name: &str, text: Vec<u8>| {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(name))?;
        file.write_all(&text)
    };
    write(EVENT_FILE, serde_json::to_vec(event)?)?;
    write(ATTEMPT_FILE, serde_json::to_vec(spec)?)
}

/// Starts the runner of a prepared attempt. `env` is all that the agent will find in its environment, besides
/// `BOG_RUN_ID`, `BOG_JOB_ID`, `BOG_ATTEMPT` and `BOG_EVENT_FILE`.
///
/// # Errors
/// Where no process can be made.
pub fn spawn(dir: &Path, spec: &AttemptSpec, env: Vec<(OsString, OsString)>) -> io::Result<Runner> {
    spawn_from(Path::new(OWN_PROGRAM), dir, spec, env)
}

/// As [`spawn`], with another binary than this process's own.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_from(exe: &Path, dir: &Path, spec: &AttemptSpec, env: Vec<(OsString, OsString)>) -> io::Result<Runner> {
    let mut command = Command::new(exe);
    command.arg0("bog-agents-daemon").arg(RUNNER).arg(dir).env_clear();
    #[cfg(feature = "failpoints")]
    command.envs(crate::env::var_os(crate::failpoint::VARIABLE).map(|points| (crate::failpoint::VARIABLE, points)));
    command
        .envs(env)
        .env("BOG_RUN_ID", spec.run_id.to_string())
        .env("BOG_JOB_ID", spec.job_id.as_str())
        .env("BOG_ATTEMPT", spec.attempt.to_string())
        .env("BOG_INSTANCE", &spec.instance)
        .env("BOG_EVENT_FILE", dir.join(EVENT_FILE))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let child = command.spawn()?;
    Ok(Runner { dir: dir.to_owned(), control: Control { socket: spec.socket.clone() }, child: Some(child) })
}

/// Cancels the attempt whose runner listens at `socket`.
///
/// # Errors
/// Where the runner cannot be reached or refuses.
pub async fn cancel(socket: &Path, reason: &str) -> io::Result<()> {
    let exchange = async {
        let mut stream = connect(socket).await?;
        let request = Request { v: CANCEL_VERSION, cmd: ControlCommand::Cancel, reason: reason.to_owned() };
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        let reply: Reply = serde_json::from_str(&answer)?;
        if reply.ok { Ok(()) } else { Err(io::Error::other(reply.error.unwrap_or_default())) }
    };
    tokio::time::timeout(CONTROL_TIMEOUT, exchange).await?
}

/// Connects, and waits a little for a runner that was started just now and does not listen yet.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let give_up = Instant::now() + LISTEN_TIMEOUT;
    loop {
        match UnixStream::connect(socket).await {
            Err(_) if Instant::now() < give_up => tokio::time::sleep(Duration::from_millis(10)).await,
            connected => return connected,
        }
    }
}

impl Control {
    /// Cancels the attempt; its outcome follows through [`Runner::wait`].
    ///
    /// # Errors
    /// Where the runner is gone or refuses.
    pub async fn cancel(&self, reason: &str) -> io::Result<()> {
        cancel(&self.socket, reason).await
    }
}

impl Runner {
    /// A runner that another process started.
    pub(super) fn adopted(dir: PathBuf, socket: PathBuf) -> Self {
        Self { dir, control: Control { socket }, child: None }
    }

    /// The way to send it control messages.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits until the attempt is over and no process of it is left.
    ///
    /// Dropping the future ends nothing; [`inspect`] finds the runner again.
    pub async fn wait(mut self) -> Ended {
        let code = match &mut self.child {
            Some(child) => child.wait().await.ok().and_then(|status| status.code()),
            None => None,
        };
        let mut tries = 0;
        loop {
            match judge(&self.dir).await {
                Ok(Judged::Live(_)) => self.follow().await,
                Ok(Judged::Ended(record)) => return Ended::Outcome(record),
                Ok(Judged::NeverBegan) => return Ended::NeverBegan,
                Ok(Judged::Lost { .. }) if code == Some(EXIT_NO_SPACE.into()) => {
                    return Ended::Outcome(Box::new(no_space(&self.dir)));
                }
                Ok(Judged::Lost { reason, left }) => return Ended::Lost { reason, left },
                Err(error) if tries == JUDGE_TRIES => {
                    let reason = format!("`{}` cannot be judged: {error}", self.dir.display());
                    return Ended::Lost { reason, left: 0 };
                }
                Err(_) => {
                    tries += 1;
                    tokio::time::sleep(POLL_LOCK_EVERY).await;
                }
            }
        }
    }

    /// Waits until it is worth looking at the lock again: until the connection ends, or, where there is none, a while.
    async fn follow(&self) {
        let mut pause = POLL_LOCK_EVERY;
        if let Ok(mut stream) = UnixStream::connect(&self.control.socket).await {
            let mut nothing = [0; 64];
            while stream.read(&mut nothing).await.is_ok_and(|count| count > 0) {}
            // The socket closes a moment before the lock does.
            pause = Duration::from_millis(2);
        }
        tokio::time::sleep(pause).await;
    }
}
