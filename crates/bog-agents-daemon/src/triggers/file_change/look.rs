//! A look: what of a trigger's files has changed, whose doing that is, and the one commit that fires it and remembers it.

use super::found::{Finder, Judged, Ruled, is_younger};
use super::{Files, Key};
use crate::clock;
use crate::store::{Arrival, Memory, Observation, Remember, StoreError};
use crate::tasks;
use crate::triggers::writers::{TICK, Writers};
use bog_domain::files::{Attributed, Change, Dirt, attribute, context};
use bog_domain::fire::{Cause, Reason, TriggerKind};
use bog_domain::spec::OwnWrites;
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Files of a first look that are remembered in one commit: others wait for it.
const BATCH: usize = 4_000;

/// How long after the end of a run a change may bear a later time and still be its doing, as on network mounts; less where
/// the trigger's quiet time is. What anybody changes from then on is theirs.
const SLACK: Duration = Duration::from_secs(1);

/// What is to be looked at, and for whom.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) files: Files,
    pub(super) key: Key,
    /// Tells this state of the trigger from a later one.
    pub(super) serial: u64,
    pub(super) memory: Memory,
    pub(super) activated_at: Timestamp,
    pub(super) finder: Arc<Finder>,
    pub(super) dirt: Dirt,
    pub(super) ruled: Ruled,
    pub(super) quiet: Quiet,
    /// How often a run had ended by then.
    pub(super) ends: u64,
}

/// How it is known that files have come to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quiet {
    /// There was no news for a while, or not enough of it.
    Told,
    /// Nobody tells: it looks again and again. These changes were seen before; they are at rest once they are seen again.
    Seen(Vec<Change>),
}

/// What a look came to.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) key: Key,
    pub(super) serial: u64,
    pub(super) ends: u64,
    /// What was to be looked at.
    pub(super) dirt: Dirt,
    pub(super) outcome: Result<Outcome, StoreError>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    /// All is told and remembered, but for what waits for the end of the job's own run.
    Told { memory: Memory, held: Dirt },
    /// These changes are not known to be at rest.
    Restless(Vec<Change>),
    /// All of it waits: for the end of the job's own run, or for the next daemon.
    Held,
    /// The first look is over; these files changed since the trigger became active.
    First { memory: Memory, since: Dirt },
    /// The memory is another one by now.
    Stale,
}

impl Look {
    /// Looks. It takes its time: meanwhile nothing waits for it.
    pub(super) async fn run(self) -> Looked {
        let outcome = if self.memory.version == 0 { self.first().await } else { self.again().await };
        let Self { key, serial, ends, dirt, .. } = self;
        Looked { key, serial, ends, dirt, outcome }
    }

    /// Remembers what is there, and fires nothing. What changed since the trigger became active is left to be found.
    async fn first(&self) -> Result<Outcome, StoreError> {
        let mut all = Dirt::default();
        let roots = self.finder.watch.roots();
        roots.iter().for_each(|root| all.rake(root, None, &roots));
        let (finder, active) = (Arc::clone(&self.finder), self.activated_at);
        let (files, since) = blocking(move || first_sight(&finder, &all, active)).await?;
        let batches = files.len().div_ceil(BATCH).max(1);
        let mut files = files.into_iter();
        for batch in 1..=batches {
            let files = files.by_ref().take(BATCH).collect();
            if !self.files.store.remember_first(self.memory.id, files, batch == batches).await? {
                return Ok(Outcome::Stale);
            }
        }
        Ok(Outcome::First { memory: Memory { version: 1, ..self.memory }, since })
    }

    async fn again(&self) -> Result<Outcome, StoreError> {
        if self.files.inbox.is_draining() || self.is_all_own_and_goes_on().await? {
            return Ok(Outcome::Held);
        }
        let Judged { changes, silent } = self.judged().await?;
        if let Quiet::Seen(before) = &self.quiet
            && !changes.is_empty()
            && *before != changes
        {
            return Ok(Outcome::Restless(changes));
        }
        let now = clock::now();
        let since = changes.iter().map(|change| change.at).min().unwrap_or(now);
        let writers = self.writers(since).await?;
        let own = match self.finder.watch.own_writes {
            OwnWrites::Ignore => writers.own_of(self.key.0),
            OwnWrites::Fire => Vec::new(),
        };
        let attributed = attribute(changes, &own, self.slack(), now);
        let held = self.held(&attributed);
        if attributed.foreign.is_empty() && attributed.own.is_empty() && silent.is_empty() {
            return Ok(Outcome::Told { memory: self.memory, held });
        }
        crate::failpoint::hit("files.before_observe");
        let observation = self.observation(&attributed, silent, &writers);
        if observation.fires.iter().any(|fire| fire.draining) {
            // The next daemon finds what this one does not take any more.
            return Ok(Outcome::Held);
        }
        let moved_on = self.files.inbox.observe(observation).await?;
        crate::failpoint::hit("files.after_observe");
        let memory = Memory { version: self.memory.version + 1, ..self.memory };
        Ok(if moved_on { Outcome::Told { memory, held } } else { Outcome::Stale })
    }

    /// Whether everything happened during a run of the job that is not over: then there is nothing to be said yet, and
    /// nothing to be looked at.
    async fn is_all_own_and_goes_on(&self) -> Result<bool, StoreError> {
        let Some(earliest) = self.dirt.earliest().filter(|_| self.finder.watch.own_writes == OwnWrites::Ignore) else {
            return Ok(false);
        };
        let own = self.writers(clock::now()).await?.own_of(self.key.0);
        Ok(own.iter().any(|own| own.files.is_none() && own.window.until.is_none() && own.window.from <= earliest))
    }

    async fn writers(&self, since: Timestamp) -> Result<Writers, StoreError> {
        Writers::since((&self.files.store, &self.files.jobs), &self.files.data_dir, since, self.slack()).await
    }

    fn slack(&self) -> Duration {
        SLACK.min(self.finder.watch.debounce.quiet)
    }

    async fn judged(&self) -> Result<Judged, StoreError> {
        let (finder, dirt) = (Arc::clone(&self.finder), self.dirt.clone());
        let found = blocking(move || finder.find(&dirt)).await?;
        let differences = self.files.store.differences(self.memory.id, found).await?;
        if differences.is_empty() {
            return Ok(Judged::default());
        }
        let (finder, dirt, ruled) = (Arc::clone(&self.finder), self.dirt.clone(), self.ruled.clone());
        blocking(move || finder.judge(differences, &dirt, &ruled)).await
    }

    fn held(&self, attributed: &Attributed) -> Dirt {
        let (mut held, roots) = (Dirt::default(), self.finder.watch.roots());
        for change in &attributed.held {
            if let (Some(folder), Some(name)) = (change.path.parent(), change.path.file_name()) {
                held.touch(folder, name, Some(change.at), &roots);
            }
        }
        held
    }

    /// What is to be remembered and what is to be told, in one commit.
    fn observation(&self, attributed: &Attributed, silent: Vec<Remember>, writers: &Writers) -> Observation {
        let own = self.arrival(&attributed.own, "own", writers);
        let own = own.map(|own| Arrival { filtered: Some(Reason::OwnWrites.as_str().to_owned()), ..own });
        let fires = self.arrival(&attributed.foreign, "fire", writers).into_iter().chain(own).collect();
        let changed = attributed.foreign.iter().chain(&attributed.own).filter_map(|change| {
            let (folder, name) = (change.path.parent()?.to_owned(), change.path.file_name()?.to_owned());
            Some(Remember { folder, name, print: change.print })
        });
        Observation { memory: self.memory, files: changed.chain(silent).collect(), fires }
    }

    fn arrival(&self, changes: &[Change], what: &str, writers: &Writers) -> Option<Arrival> {
        if changes.is_empty() {
            return None;
        }
        let (job, trigger) = self.key.clone();
        let causes = changes.iter().filter_map(|change| writers.cause_of(&change.path, change.at));
        let cause: Option<Cause> = causes.max_by_key(|cause| cause.depth);
        let event = context(changes, self.finder.watch.base.as_deref());
        Some(Arrival {
            trigger,
            // The memory moves on with it, and its number never comes again: no two fires have the same.
            dedupe_key: Some(format!("{}.{}.{what}", self.memory.id, self.memory.version)),
            cause: cause.unwrap_or_default(),
            ..self.files.inbox.arrival(job, TriggerKind::FileChange, clock::now(), event)
        })
    }
}

/// What is to be remembered of what is there, and what changed after the trigger became active: that is not remembered
/// as it is, so that it is found to be new, or another.
fn first_sight(finder: &Finder, all: &Dirt, active: Timestamp) -> (Vec<Remember>, Dirt) {
    let (mut files, mut since, roots) = (Vec::new(), Dirt::default(), finder.watch.roots());
    for (folder, names) in finder.find(all).files {
        for (name, seen) in names {
            let Some(seen) = seen else { continue };
            let mut print = Some(seen.print);
            if seen.at > active - TICK {
                since.touch(&folder, &name, Some(seen.at), &roots);
                print = (!is_younger(&folder, &name, active - TICK)).then_some(0);
            }
            if print.is_some() {
                files.push(Remember { folder: folder.clone(), name, print });
            }
        }
    }
    (files, since)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    tasks::blocking(work).await.map_err(|_| StoreError::Closed)
}

/// The data folder as a look shuns it.
pub(super) fn shut(data_dir: &Path) -> Arc<Path> {
    data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned()).into()
}
