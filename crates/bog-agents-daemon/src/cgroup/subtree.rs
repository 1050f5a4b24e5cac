//! The daemon's part: a leaf for itself, and a group for the attempts of its data folder.
//!
//! ```text
//! BASE                       what was delegated
//! ├── daemon                 the daemon and the runners
//! └── bog-runs-NAME          made by the first attempt, gone with the last
//!     └── RUN-N              one attempt
//! ```
//!
//! Groups with controllers and processes may not share a parent's level with processes in the parent itself (the "no
//! internal processes" rule), hence the leaf. Several daemons may share one base: each has its own name.

use super::place::DAEMON;
use super::{Controller, PROCS, Place, SELF, SUBTREE_CONTROL, give_to_children, listed};
use bog_domain::ids::RunId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A daemon's part of the hierarchy.
#[derive(Debug, Clone)]
pub struct Subtree {
    /// Where this process is.
    own: PathBuf,
    base: PathBuf,
    runs: PathBuf,
}

impl Subtree {
    /// Moves this process into its leaf and gives what is made below the base its controllers. `name` tells apart the
    /// daemons that share a base.
    ///
    /// # Errors
    /// Where the kernel refuses the move.
    pub fn take(place: &Place, name: &str) -> io::Result<Self> {
        let leaf = place.base.join(DAEMON);
        let own = if place.own == place.base && !place.is_top {
            made(&leaf)?;
            fs::write(leaf.join(PROCS), SELF)?;
            leaf
        } else {
            place.own.clone()
        };
        give_to_children(&place.base);
        Ok(Self { own, base: place.base.clone(), runs: place.base.join(format!("bog-runs-{name}")) })
    }

    /// The group that an attempt is to have; the runner makes it.
    #[must_use]
    pub fn group(&self, run: RunId, attempt: u32) -> PathBuf {
        self.runs.join(format!("{run}-{attempt}"))
    }

    /// The base, for people.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The controllers that attempts get.
    #[must_use]
    pub fn controllers(&self) -> Vec<Controller> {
        listed(&self.base.join(SUBTREE_CONTROL))
    }

    /// The attempts that have a group now, each with its group.
    #[must_use]
    pub fn attempts(&self) -> Vec<(RunId, u32, PathBuf)> {
        let entries = fs::read_dir(&self.runs).into_iter().flatten().flatten();
        let of_entry = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let (run, attempt) = name.to_str()?.rsplit_once('-')?;
            Some((run.parse().ok()?, attempt.parse().ok()?, entry.path()))
        };
        entries.filter_map(of_entry).collect()
    }

    /// Lets the next process enter a group quickly: to be called a moment before it, off the async threads, for it takes
    /// some ten milliseconds.
    ///
    /// Moving a process waits until every processor has passed a point of rest (the kernel's `cgroup_threadgroup_rwsem`,
    /// a `percpu_rw_semaphore` whose first writer waits for an RCU grace period), but not where another move was only just
    /// done. This process is moved to where it is already, while the attempt's folder is written and its runner starts.
    pub fn warm(&self) {
        // Where it fails, the attempt starts some milliseconds later.
        let _ = fs::write(self.own.join(PROCS), SELF);
    }
}

/// Makes a group; that it is there already is as good.
pub(super) fn made(group: &Path) -> io::Result<()> {
    match fs::create_dir(group) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
