//! `bog-agents-daemon runner DIR`: the life of one attempt, from its lock to its outcome.

use super::OWN_PROGRAM;
use super::agent::Agent;
use super::control::ControlServer;
use super::events::EventLog;
use super::limits::Limits;
use super::outcome::OutcomeFile;
use super::protocol::{AttemptSpec, EXIT_NO_SPACE, LOCK_FILE, OutcomeRecord, VERDICT_FILE};
use super::reach;
use super::tree;
use super::watch::{self, Surroundings, Watch};
use crate::sandbox::policy::Enforcement;
use crate::sandbox::{self, Split};
use crate::{clock, failpoint};
use jiff::Timestamp;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::setsid;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The verdict of an attempt that began.
pub const STARTED: &str = "started";
/// The verdict of an attempt that recovery declared never to have begun.
pub const VOID: &str = "void";
/// The verdict of an attempt whose outcome found no room on the disk. As long as [`STARTED`], which it overwrites:
/// that takes no new block.
pub const NO_SPACE: &str = "nospace";

/// An attempt that is ours alone.
pub struct Held {
    dir: PathBuf,
    /// Keeps the folder's identity.
    folder: File,
    verdict: File,
    /// Held until the process ends.
    _lock: File,
}

/// Supervises the attempt in `dir`.
pub fn run(dir: &Path) -> ExitCode {
    match hold(dir) {
        Ok(Some(held)) => held.attempt(),
        // Another runner has it, or recovery declared it void.
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot supervise `{}`: {error}; give the folder of an attempt", dir.display());
            ExitCode::FAILURE
        }
    }
}

fn hold(dir: &Path) -> io::Result<Option<Held>> {
    // Fails only for the leader of a process group, which the daemon does not make us.
    let _ = setsid();
    set_child_subreaper(true)?;
    let folder = File::open(dir)?;
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join(LOCK_FILE))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    failpoint::hit("runner.locked");
    let verdict = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(VERDICT_FILE));
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(error),
    };
    // Whatever is not `void` means `started`, so a disk that is full at this very moment changes nothing.
    let _ = (&verdict).write_all(STARTED.as_bytes());
    failpoint::hit("runner.started");
    Ok(Some(Held { dir: dir.to_owned(), folder, verdict, _lock: lock }))
}

impl Held {
    /// The attempt's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn attempt(self) -> ExitCode {
        let started_at = clock::now();
        let spec = match AttemptSpec::load(&self.dir) {
            Ok(spec) => spec,
            Err(error) => return self.refuse(error.to_string(), started_at),
        };
        // The working folder of the daemon must not be kept busy by this process.
        let _ = std::env::set_current_dir("/");
        let signals = match own_signals() {
            Ok(signals) => signals,
            Err(error) => return self.refuse(format!("cannot watch signals: {error}; run the job again"), started_at),
        };
        // Closed only after the outcome is written: its end tells an adopting daemon that this process is done.
        let mut control = match ControlServer::bind(&spec.socket) {
            Ok(control) => control,
            Err(error) => {
                let socket = spec.socket.display();
                let error = format!(
                    "cannot listen at `{socket}`: {error}; its folder must exist and the path be at most 100 bytes long"
                );
                return self.refuse(error, started_at);
            }
        };
        let outcome = match OutcomeFile::preallocate(&self.dir, spec.output_bytes) {
            Ok(outcome) => outcome,
            Err(error) if is_full(&error) => return self.no_space(),
            Err(error) => {
                return self
                    .refuse(format!("cannot create `outcome.json`: {error}; check the data folder"), started_at);
            }
        };
        // Twice the output and its JSON: beyond that a log helps nobody.
        let events = EventLog::create(&self.dir, spec.output_bytes.saturating_mul(4).max(256 * 1024));
        let record = match start(&spec, &self.dir) {
            Ok((agent, limits)) => {
                let surroundings = Surroundings { held: &self, signals, control: &mut control, events };
                Watch::new(surroundings, &spec, agent, limits).until_gone(started_at)
            }
            Err(error) => OutcomeRecord::start_failed(error, started_at),
        };
        failpoint::hit("runner.before_outcome");
        let written = outcome.write(&record);
        failpoint::hit("runner.after_outcome");
        if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Whether the folder still stands where the daemon will look for it.
    ///
    /// Asked once a second while an agent runs. That one `stat` finds a removed as well as a moved folder; a watch by
    /// inotify would cost one of the few instances (128 by default) that the user's other programs share.
    pub fn folder_is_there(&self) -> bool {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        match (std::fs::metadata(&self.dir), self.folder.metadata()) {
            (Ok(there), Ok(ours)) => identity(there) == identity(ours),
            (Err(error), _) => error.kind() != io::ErrorKind::NotFound,
            (Ok(_), Err(_)) => true,
        }
    }

    /// Ends an attempt whose agent was never started.
    fn refuse(self, error: String, at: Timestamp) -> ExitCode {
        let record = OutcomeRecord::start_failed(error, at);
        match OutcomeFile::create(&self.dir).and_then(|outcome| outcome.write(&record)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if is_full(&error) => self.no_space(),
            Err(_) => ExitCode::FAILURE,
        }
    }

    /// Ends an attempt that found no room for its outcome: the verdict says so to a later daemon, the exit code to the
    /// one that waits.
    fn no_space(self) -> ExitCode {
        let _ = self.verdict.write_all_at(NO_SPACE.as_bytes(), 0);
        ExitCode::from(EXIT_NO_SPACE)
    }
}

/// Starts the agent in what its sandbox keeps apart, and within its limits. That is the last thing this process starts or
/// opens: from the split on its children are in a process table that ends with the first of them.
fn start(spec: &AttemptSpec, dir: &Path) -> Result<(Agent, Limits), String> {
    let relay = reach::relay(&spec.sandbox)?;
    if let Some(relay) = &relay {
        tree::set_apart(relay.pid());
    }
    let split = match spec.sandbox.enforcement {
        Enforcement::Off => Split::default(),
        Enforcement::BestEffort | Enforcement::Required => {
            sandbox::split(&spec.sandbox, Path::new(OWN_PROGRAM)).map_err(|refused| refused.explain())?
        }
    };
    let limits = Limits::prepare(spec, dir, &split, watch::now());
    match Agent::start(spec, split, &limits, relay) {
        Ok(agent) => Ok((agent, limits)),
        Err(error) => {
            limits.finish();
            Err(format!("no process could be made for `{}`: {error}; check the system's limits", spec.command[0]))
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The signals this process reads instead of dying from them.
fn own_signals() -> io::Result<SignalFd> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        signals.add(signal);
    }
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}
