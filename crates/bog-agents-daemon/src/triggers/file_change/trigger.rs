//! A trigger under watch: what it was told, and when it looks next. It reads no clock.

use super::found::{Presence, Ruled};
use super::look::Quiet;
use crate::store::{FileTrigger, Memory};
use bog_domain::files::{Change, Dirt, FileWatch};
use bog_domain::ids::JobId;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks by itself where the system does not tell what happens.
pub(super) const FALLBACK: Duration = Duration::from_secs(5);

/// A time, counted from the worker's beginning: steps of the wall clock do not matter.
pub(super) type Moment = Duration;

/// A trigger under watch.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) job_id: JobId,
    pub(super) revision: u32,
    pub(super) activated_at: Timestamp,
    pub(super) watch: Arc<FileWatch>,
    /// What its memory is about.
    pub(super) definition: String,
    pub(super) memory: Memory,
    /// Tells this state from an earlier one of the same trigger.
    pub(super) serial: u64,
    /// The trees it asks for.
    pub(super) trees: Vec<u32>,
    /// Of those the ones whose watches are not set yet.
    pub(super) unarmed: BTreeSet<u32>,
    /// Where something may have changed, and since when.
    pub(super) dirt: Dirt,
    told: Option<(Moment, Moment)>,
    pub(super) ruled: Ruled,
    /// Whether somebody looks right now.
    pub(super) looking: bool,
    /// Whether it waits for the end of the job's own run.
    pub(super) held: bool,
    /// Which of its folders have been there since the start.
    pub(super) present: Presence,
    /// Not before then, after a failure.
    pub(super) not_before: Moment,
    /// Changes that were seen where nobody tells of them, and are not known to be at rest.
    seen: Vec<Change>,
    restless_since: Option<Moment>,
    /// When it looks by itself, where nobody tells it.
    pub(super) next_poll: Option<Moment>,
    /// Its entry in the agenda.
    pub(super) planned: Option<Moment>,
}

impl Watched {
    pub(super) fn new(
        row: &FileTrigger,
        watch: Arc<FileWatch>,
        definition: String,
        memory: Memory,
        serial: u64,
    ) -> Self {
        Self {
            job_id: row.job_id.clone(),
            revision: row.revision,
            activated_at: row.activated_at,
            watch,
            definition,
            memory,
            serial,
            trees: Vec::new(),
            unarmed: BTreeSet::new(),
            dirt: Dirt::default(),
            told: None,
            ruled: Ruled::default(),
            looking: false,
            held: false,
            present: Presence::default(),
            not_before: Moment::ZERO,
            seen: Vec::new(),
            restless_since: None,
            next_poll: None,
            planned: None,
        }
    }

    /// Hears that a file may have changed.
    pub(super) fn touch(&mut self, folder: &Path, name: &OsStr, at: Timestamp, now: Moment) {
        self.ruled.except(folder, name);
        self.dirt.touch(folder, name, Some(at), &self.watch.roots());
        self.hear(now);
    }

    /// Hears that anything below a folder may have changed.
    pub(super) fn rake(&mut self, folder: &Path, at: Option<Timestamp>, now: Moment) {
        self.dirt.rake(folder, at, &self.watch.roots());
        self.hear(now);
    }

    /// Hears that a folder came, went or was replaced.
    pub(super) fn turn(&mut self, folder: &Path, at: Timestamp, now: Moment) {
        self.ruled = Ruled::default();
        self.rake(folder, Some(at), now);
    }

    /// Takes it that anything may have changed.
    pub(super) fn rake_all(&mut self, at: Option<Timestamp>, now: Moment) {
        let watch = Arc::clone(&self.watch);
        watch.roots().into_iter().for_each(|root| self.rake(root, at, now));
    }

    /// Hears that an ignore file changed, which rules below a folder.
    pub(super) fn rule(&mut self, rules: &Path, below: &Path, at: Timestamp, now: Moment) {
        // What was told before and is not looked at yet must not count as old.
        if self.dirt.is_empty() {
            self.ruled.add(rules);
        }
        self.rake(below, Some(at), now);
    }

    /// Takes back what could not be told yet; it is looked at again after the usual quiet time.
    pub(super) fn take_back(&mut self, dirt: Dirt, now: Moment) {
        if !dirt.is_empty() {
            self.ruled = Ruled::default();
            let roots = Arc::clone(&self.watch);
            self.dirt.add(dirt, &roots.roots());
            self.hear(now);
        }
    }

    /// A run has ended: what waited for that is looked at after the usual quiet time.
    pub(super) fn release(&mut self, now: Moment) {
        if std::mem::take(&mut self.held) {
            self.told = Some((now, now));
        }
    }

    fn hear(&mut self, now: Moment) {
        let first = self.told.map_or(now, |(first, _)| first);
        self.told = Some((first, now));
    }

    /// Whether its first look is still to come.
    pub(super) fn is_new(&self) -> bool {
        self.memory.version == 0
    }

    /// When it is to look next.
    pub(super) fn next(&self) -> Option<Moment> {
        if self.looking || self.held || !self.unarmed.is_empty() {
            return None;
        }
        if self.is_new() {
            return Some(self.not_before);
        }
        let due = self.told.map(|(first, last)| self.watch.debounce.due(first, last));
        due.or(self.next_poll).map(|at| at.max(self.not_before))
    }

    /// Gives away what is to be looked at, and how it is known to be at rest. Where nobody told it anything, it looks at
    /// everything.
    pub(super) fn take(&mut self, now: Moment) -> (Dirt, Ruled, Quiet) {
        if self.told.is_none() && !self.is_new() {
            self.rake_all(None, now);
        }
        let first = self.restless_since.or(self.told.map(|(first, _)| first)).unwrap_or(now);
        let tired = now >= first + self.watch.debounce.max_wait;
        let quiet = match self.next_poll {
            Some(_) if !tired => Quiet::Seen(std::mem::take(&mut self.seen)),
            Some(_) | None => Quiet::Told,
        };
        self.looking = true;
        self.told = None;
        (std::mem::take(&mut self.dirt), std::mem::take(&mut self.ruled), quiet)
    }

    /// Changes were seen that may not be at rest: they are looked at again after the usual quiet time.
    pub(super) fn wait_for(&mut self, changes: Vec<Change>, now: Moment) {
        for change in &changes {
            if let (Some(folder), Some(name)) = (change.path.parent(), change.path.file_name()) {
                self.dirt.touch(folder, name, Some(change.at), &self.watch.roots());
            }
        }
        self.hear(now);
        self.restless_since.get_or_insert(now);
        self.seen = changes;
    }

    /// All that was looked at is told.
    pub(super) fn rest(&mut self) {
        self.restless_since = None;
    }
}
