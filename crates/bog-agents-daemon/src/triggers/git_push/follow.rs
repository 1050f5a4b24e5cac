//! Following one repository: looks at its refs when something was heard of them, when it is time to, and until what went
//! wrong is over.

use super::record::{Seen, record_told};
use super::standing::{Standing, name};
use super::watches::Watches;
use super::{Armed, GitPushes};
use crate::git::{self, GitError, Layout, LayoutError, Listing, Spool, Spooled};
use crate::store::StoreError;
use crate::{clock, env, tasks};
use bog_domain::git::Source;
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinError;

/// A push is heard of several times: what follows within this time is looked at together.
const SETTLE: Duration = Duration::from_millis(10);

/// A hook notes a push just after its refs have moved: this long is waited for what it has to say.
const HOOK: Duration = Duration::from_millis(300);

/// What is heard of has happened at most this long before.
const HEARD: Duration = Duration::from_secs(5);

/// Where folders cannot be watched, they are looked at this often.
const UNWATCHED: Duration = Duration::from_secs(5);

/// An empty repository that was not empty before is looked at once more after this time: it may be about to be removed.
const SURE: Duration = Duration::from_secs(1);

/// What went wrong is tried again after this time, doubled up to the second.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// A remote is asked again after at most this time, or its interval where that is longer.
const LAST_REMOTE_RETRY: Duration = Duration::from_secs(15 * 60);

/// What stands between a look and its record.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// The repository is not there, or cannot be read.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Git does not say what its refs are.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Nothing can be recorded.
    #[error("what was pushed waits to be recorded: {0}")]
    Store(#[from] StoreError),
    /// A look was broken off.
    #[error("a look was broken off: {0}")]
    Broken(#[from] JoinError),
}

/// How things stand after a look.
enum Next {
    /// Whatever happens is heard of.
    Listen,
    /// Somebody must look again soon.
    LookAfter(Duration),
}

/// One repository and the triggers that are about it.
pub(super) struct Follower {
    pub(super) git: GitPushes,
    source: Source,
    triggers: watch::Receiver<Vec<Armed>>,
    watches: Arc<Watches>,
    standing: Standing,
    wake: Arc<Notify>,
    /// The digest of the listing that was dealt with for all triggers.
    dealt_with: Option<[u8; 32]>,
    /// Whether the last look found no refs at all.
    was_empty: bool,
    /// When the look under way began.
    begun: Timestamp,
    /// What a look finds that is not dealt with moved after this.
    since: Timestamp,
    /// Whether the next look is because something was heard.
    heard: bool,
}

impl Follower {
    pub(super) fn new(
        git: GitPushes,
        source: Source,
        triggers: watch::Receiver<Vec<Armed>>,
        watches: Arc<Watches>,
        standing: Standing,
    ) -> Self {
        let (wake, dealt_with, was_empty, now) = (Arc::default(), None, false, clock::now());
        Self {
            git,
            source,
            triggers,
            watches,
            standing,
            wake,
            dealt_with,
            was_empty,
            begun: now,
            since: now,
            heard: false,
        }
    }

    /// Follows the repository until nobody wants it to.
    pub(super) async fn follow(mut self) {
        let mut failures = 0;
        loop {
            if self.triggers.has_changed().unwrap_or(false) {
                self.dealt_with = None;
            }
            let armed = self.triggers.borrow_and_update().clone();
            let looked = self.look_once(&armed).await;
            failures = if looked.is_ok() { 0 } else { failures + 1 };
            let pause = self.pause(looked, &armed, failures);
            tokio::select! {
                () = self.wake.notified() => {
                    tokio::time::sleep(SETTLE).await;
                    self.heard = true;
                }
                changed = self.triggers.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.dealt_with = None;
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Looks at the repository and records what has moved.
    async fn look_once(&mut self, armed: &[Armed]) -> Result<Next, LookError> {
        if self.git.inbox.is_draining() {
            // What is pushed now is found by the next daemon.
            return Ok(Next::Listen);
        }
        self.begun = clock::now();
        if std::mem::take(&mut self.heard) {
            self.since = self.since.max(self.begun.checked_sub(HEARD).unwrap_or(self.since));
        }
        match self.source.clone() {
            Source::Folder(folder) => self.look_at_folder(&env::expand_home(&folder), armed).await,
            Source::Remote(address) => {
                let listing = git::remote(&address).await?;
                let all = self.compare(None, listing, &[], armed).await?;
                Ok(if all { Next::Listen } else { Next::LookAfter(SURE) })
            }
        }
    }

    async fn look_at_folder(&mut self, folder: &Path, armed: &[Armed]) -> Result<Next, LookError> {
        let (path, data_dir) = (folder.to_owned(), self.git.data_dir.clone());
        let found = tasks::blocking(move || Layout::find(&path).map(|layout| (Spool::of(&data_dir, &layout), layout)));
        let (spool, layout) = match found.await? {
            Ok(found) => found,
            Err(error) => return self.hear_of_unreadable(folder, armed, error.into()).await,
        };
        let (watches, source, wake) = (Arc::clone(&self.watches), self.source.clone(), Arc::clone(&self.wake));
        // Watched first, then read: what happens in between is heard of.
        let (of, from) = (layout.clone(), spool.clone());
        let ready = move || (from.make(), watches.arm(&source, Some(&of), &from, &wake), from.read());
        let (_, watched, told) = tasks::blocking(ready).await?;
        let listing = match git::local(&layout).await {
            Ok(listing) => listing,
            Err(error) => return self.hear_of_unreadable(folder, armed, error.into()).await,
        };
        let told = self.wait_for_hook(&layout, &listing, &spool, told).await?;
        if !self.compare(Some(&layout), listing, &told, armed).await? {
            // What a hook told is needed once more.
            return Ok(Next::LookAfter(SURE));
        }
        crate::failpoint::hit("git.recorded");
        self.take_away(told).await?;
        Ok(match watched {
            Err(why) => {
                let every = UNWATCHED.as_secs();
                self.standing
                    .report(&self.source, format!("it cannot be watched: {why}; it is looked at every {every} s"));
                Next::LookAfter(UNWATCHED)
            }
            Ok(()) => Next::Listen,
        })
    }

    /// What a hook has to say of refs that have just moved.
    async fn wait_for_hook(
        &self,
        layout: &Layout,
        listing: &Listing,
        spool: &Spool,
        told: Vec<Spooled>,
    ) -> Result<Vec<Spooled>, LookError> {
        if !told.is_empty() || self.dealt_with.is_none() || self.dealt_with == Some(listing.digest) {
            return Ok(told);
        }
        let of = layout.clone();
        if !tasks::blocking(move || git::is_installed(&of)).await? {
            return Ok(told);
        }
        tokio::time::sleep(HOOK).await;
        let spool = spool.clone();
        Ok(tasks::blocking(move || spool.read()).await?)
    }

    /// Takes away what a hook told and was dealt with.
    async fn take_away(&self, told: Vec<Spooled>) -> Result<(), LookError> {
        let full = told.len() == git::SPOOL_BATCH;
        let taken = tasks::blocking(move || git::take_away(&told)).await?;
        if full && taken > 0 {
            // There may be more, of which nothing else would be heard.
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Records what a listing shows to have moved. `false` where that is not certain yet, and another look is needed.
    async fn compare(
        &mut self,
        layout: Option<&Layout>,
        listing: Listing,
        told: &[Spooled],
        armed: &[Armed],
    ) -> Result<bool, LookError> {
        if self.dealt_with == Some(listing.digest) {
            self.since = self.begun;
            return Ok(true);
        }
        let is_empty = listing.refs.is_empty();
        let sure = std::mem::replace(&mut self.was_empty, is_empty) || !is_empty;
        let (digest, repo) = (listing.digest, name(&self.source).to_owned());
        let seen = Seen { git: &self.git, repo: &repo, layout, listing, since: self.since, told, sure };
        let mut all = true;
        for trigger in armed {
            all &= seen.record(trigger).await?;
        }
        if all {
            self.dealt_with = Some(digest);
            self.since = self.begun;
        }
        Ok(all)
    }

    /// A repository that cannot be read may have a hook that tells of it. Returns what stands in the way of reading it.
    async fn hear_of_unreadable(
        &mut self,
        folder: &Path,
        armed: &[Armed],
        error: LookError,
    ) -> Result<Next, LookError> {
        let (data_dir, repository) = (self.git.data_dir.clone(), folder.to_owned());
        let (watches, source, wake) = (Arc::clone(&self.watches), self.source.clone(), Arc::clone(&self.wake));
        let told = tasks::blocking(move || {
            let spool = Spool::of_unreadable(&data_dir, &repository);
            // Where that cannot be done, it is looked at again all the same.
            let _ = (spool.make(), watches.arm(&source, None, &spool, &wake));
            spool.read()
        });
        let told = told.await?;
        if !told.is_empty() {
            self.dealt_with = None;
            let mut all = true;
            for trigger in armed {
                all &= record_told(&self.git, name(&self.source), trigger, (folder, self.since), &told).await?;
            }
            crate::failpoint::hit("git.recorded");
            if all {
                self.since = self.begun;
                self.take_away(told).await?;
            }
        }
        Err(error)
    }

    /// How long it sleeps where nothing is heard, and says how the repository stands.
    fn pause(&self, looked: Result<Next, LookError>, armed: &[Armed], failures: u32) -> Duration {
        let interval = armed.iter().map(|trigger| trigger.push.interval).min().unwrap_or(LAST_RETRY);
        match looked {
            Ok(Next::Listen) => {
                self.standing.clear(&self.source);
                interval
            }
            Ok(Next::LookAfter(pause)) => pause.min(interval),
            Err(error) => {
                self.standing.report(&self.source, error.to_string());
                let (first, last) = match (&self.source, &error) {
                    (Source::Remote(_), LookError::Git(_)) => (interval, LAST_REMOTE_RETRY.max(interval)),
                    (Source::Folder(_) | Source::Remote(_), _) => (FIRST_RETRY, LAST_RETRY),
                };
                first.saturating_mul(1 << (failures - 1).min(16)).min(last)
            }
        }
    }
}
