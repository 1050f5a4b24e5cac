//! What became of an attempt, judged by its folder alone: by lock, verdict and outcome, never by a pid.
//!
//! | lock | verdict | outcome | judgement |
//! |---|---|---|---|
//! | held | any | any | live |
//! | free | none | - | `void` is written: never began |
//! | free | `void` | - | never began |
//! | free | `nospace` | - | start failed: the disk was full |
//! | free | else | valid | ended |
//! | free | else | none | the tree is swept: lost |
//!
//! A runner takes the lock before it looks for a verdict, and so does this: only one of them ever writes it.

use super::handle::Runner;
use super::outcome::read_outcome;
use super::protocol::{AttemptSpec, LOCK_FILE, OutcomeRecord, VERDICT_FILE};
use super::supervise::{NO_SPACE, STARTED, VOID};
use super::tree::sweep;
use crate::cgroup;
use bog_domain::ids::RunId;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What [`inspect`] found.
#[derive(Debug)]
pub enum Found {
    /// Its runner lives: wait for it as for one's own.
    Live(Box<Runner>),
    /// It ended, and its runner said how.
    Ended(Box<OutcomeRecord>),
    /// It never began, and never will.
    NeverBegan,
    /// Its runner died without a word, or its folder is gone. No process of it is left.
    Lost {
        /// What is known, for people.
        reason: String,
        /// How many processes it had left behind, which were ended.
        left: usize,
    },
}

/// As [`Found`], before a handle is made.
#[derive(Debug)]
pub(super) enum Judged {
    /// The lock is held; the socket of whoever holds it, as far as it is known.
    Live(PathBuf),
    /// There is a valid outcome.
    Ended(Box<OutcomeRecord>),
    /// There is no verdict but `void`.
    NeverBegan,
    /// There is no outcome and never will be.
    Lost { reason: String, left: usize },
}

/// Finds out what became of the attempt in `dir`, `runs/RUN/N`, and settles it: an attempt that has not begun never
/// will, and what a dead runner left behind is ended.
///
/// # Errors
/// Where the folder cannot be read or locked for now; nothing is settled then, and it is worth another try.
pub async fn inspect(dir: &Path) -> io::Result<Found> {
    Ok(match judge(dir).await? {
        Judged::Live(socket) => Found::Live(Box::new(Runner::adopted(dir.to_owned(), socket))),
        Judged::Ended(record) => Found::Ended(record),
        Judged::NeverBegan => Found::NeverBegan,
        Judged::Lost { reason, left } => Found::Lost { reason, left },
    })
}

/// Whether a runner has the attempt in `dir` in hand. Nothing is settled by asking.
#[must_use]
pub fn is_live(dir: &Path) -> bool {
    let lock = File::open(dir.join(LOCK_FILE));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

pub(super) async fn judge(dir: &Path) -> io::Result<Judged> {
    let dir = dir.to_owned();
    // Reading files and, at worst, sweeping processes for a while: nothing for the threads of the runtime.
    crate::tasks::blocking(move || judge_once(&dir)).await.map_err(io::Error::other)?
}

fn judge_once(dir: &Path) -> io::Result<Judged> {
    let spec = AttemptSpec::load(dir).ok();
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join(LOCK_FILE));
    let lock = match lock {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let left = sweep_attempt(dir, spec.as_ref());
            return Ok(Judged::Lost { reason: "folder missing".to_owned(), left });
        }
        Err(error) => return Err(error),
    };
    match lock.try_lock() {
        Ok(()) => settle(dir, spec.as_ref(), &lock),
        Err(TryLockError::WouldBlock) => Ok(Judged::Live(spec.map(|spec| spec.socket).unwrap_or_default())),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Judges an attempt whose runner is gone or has not come yet; `_lock` keeps a late one out meanwhile.
fn settle(dir: &Path, spec: Option<&AttemptSpec>, _lock: &File) -> io::Result<Judged> {
    let path = dir.join(VERDICT_FILE);
    let verdict = match std::fs::read_to_string(&path) {
        Ok(verdict) => verdict,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut void = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            // Without its content, for want of room, it still keeps a late runner out; only that it never began would
            // be forgotten by a later inspection, which would then call it lost.
            let _ = void.write_all(VOID.as_bytes());
            return Ok(Judged::NeverBegan);
        }
        Err(error) => return Err(error),
    };
    if verdict == VOID {
        return Ok(Judged::NeverBegan);
    }
    if let Some(spec) = spec {
        // A runner that was killed could not.
        let _ = std::fs::remove_file(&spec.socket);
    }
    if let Some(record) = read_outcome(dir)? {
        return Ok(Judged::Ended(Box::new(record)));
    }
    if verdict == NO_SPACE {
        return Ok(Judged::Ended(Box::new(no_space(dir))));
    }
    let left = sweep_attempt(dir, spec);
    let ended = if left > 0 { format!("; {left} processes it left behind were ended") } else { String::new() };
    Ok(Judged::Lost { reason: format!("its runner died after it {STARTED} the attempt{ended}"), left })
}

/// By its control group, where it had one, everything at once; then by its mark in the environment, whatever is left.
fn sweep_attempt(dir: &Path, spec: Option<&AttemptSpec>) -> usize {
    let from_path = || dir.parent()?.file_name()?.to_str()?.parse::<RunId>().ok();
    let grouped = spec.and_then(|spec| spec.cgroup.as_deref()).map_or(0, cgroup::end);
    grouped + spec.map(|spec| spec.run_id).or_else(from_path).map_or(0, sweep)
}

/// The record of an attempt that could not promise an outcome.
pub(super) fn no_space(dir: &Path) -> OutcomeRecord {
    let dir = dir.display();
    let error = format!(
        "the disk is full: there was no room for the outcome in `{dir}`, so the agent was not started; free some space"
    );
    OutcomeRecord::start_failed(error, crate::clock::now())
}
