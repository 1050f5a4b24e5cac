//! Recording what has moved: a fire for each ref that a trigger is about, in one commit with the trigger's memory.

use super::{Armed, GitPushes};
use crate::git::{self, Layout, Listing, Spooled};
use crate::store::{Arrival, GitMemory, News, Pushes, StoreError};
use bog_domain::fire::{Cause, TriggerKind};
use bog_domain::git::{Change, Details, Move, Push, Refs, moves};
use jiff::Timestamp;
use std::path::Path;

/// Refs that are recorded in one commit at most: others wait for it.
const BATCH: usize = 20;

/// What one look at a repository showed.
pub(super) struct Seen<'a> {
    pub(super) git: &'a GitPushes,
    /// The repository, as the job names it.
    pub(super) repo: &'a str,
    /// Where it is; none where only its refs are known.
    pub(super) layout: Option<&'a Layout>,
    pub(super) listing: Listing,
    /// When it was looked at before: what has moved, moved since.
    pub(super) since: Timestamp,
    /// What its hook told of before the look.
    pub(super) told: &'a [Spooled],
    /// Whether an empty list of refs is to be believed.
    pub(super) sure: bool,
}

impl Seen<'_> {
    /// Records what is new to a trigger. `false` where that is not certain yet, and another look is needed.
    pub(super) async fn record(&self, trigger: &Armed) -> Result<bool, StoreError> {
        let about = self.listing.refs.iter().filter(|(name, _)| trigger.push.refs.matches(name));
        let seen: Refs = about.map(|(name, sha)| (name.clone(), sha.clone())).collect();
        let memory = self.git.store.git_memory(trigger.job, trigger.trigger.clone()).await?;
        if !memory.begun {
            return self.git.record(trigger, News::FirstSight(seen)).await;
        }
        let mut moved = moves(&memory.refs, &seen);
        if !self.sure && !moved.is_empty() {
            return Ok(false);
        }
        if self.listing.left_out.is_some() {
            // What git cannot read is not gone.
            moved.retain(|moved| moved.change.after().is_some());
        }
        if moved.is_empty() {
            return Ok(true);
        }
        let mut others = self.listing.refs.clone();
        moved.iter().for_each(|moved| drop(others.remove(&moved.reference)));
        let here = match self.layout {
            Some(layout) => self.git.cause_at(&layout.common_dir, self.since).await,
            None => self.git.cause_elsewhere(trigger.job, self.repo, self.since).await,
        };
        for batch in moved.chunks(BATCH) {
            let mut fires = Vec::with_capacity(batch.len());
            for moved in batch {
                let details = match self.layout {
                    Some(layout) => git::details(layout, moved, &others).await,
                    None => Details::default(),
                };
                let cause = self.git.cause_of(moved, here, self.told).await;
                let push = Push { repo: self.repo.to_owned(), moved: moved.clone(), details };
                fires.push((moved.clone(), self.git.arrival(trigger, &push, cause)));
            }
            if !self.git.record(trigger, News::Moved(fires)).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Records what a hook told of a repository that cannot be read. A ref that is known to be where it was pushed to was dealt
/// with; a file that comes twice is one fire by its name. `false` where the trigger has changed meanwhile.
pub(super) async fn record_told(
    git: &GitPushes,
    repo: &str,
    trigger: &Armed,
    (folder, since): (&Path, Timestamp),
    told: &[Spooled],
) -> Result<bool, StoreError> {
    let here = git.cause_at(folder, since).await;
    let mut all = true;
    let GitMemory { mut refs, .. } = git.store.git_memory(trigger.job, trigger.trigger.clone()).await?;
    for spooled in told {
        let mut fires = Vec::new();
        for pushed in spooled.pushed.moves.iter().filter(|pushed| trigger.push.refs.matches(&pushed.reference)) {
            let Some(change) = Change::between(refs.get(&pushed.reference).map(String::as_str), pushed.change.after())
            else {
                continue;
            };
            match change.after() {
                Some(new) => refs.insert(pushed.reference.clone(), new.to_owned()),
                None => refs.remove(&pushed.reference),
            };
            let push = Push { repo: repo.to_owned(), moved: pushed.clone(), details: Details::default() };
            let cause = git.cause_of(pushed, here, std::slice::from_ref(spooled)).await;
            let dedupe_key = Some(format!("{} {}", spooled.name, pushed.reference));
            let arrival = Arrival { dedupe_key, ..git.arrival(trigger, &push, cause) };
            fires.push((Move { reference: pushed.reference.clone(), change }, arrival));
        }
        if !fires.is_empty() {
            all &= git.record(trigger, News::Moved(fires)).await?;
        }
    }
    Ok(all)
}

impl GitPushes {
    /// Records news of a trigger's repository. `false` where the trigger or its memory has changed meanwhile.
    async fn record(&self, trigger: &Armed, news: News) -> Result<bool, StoreError> {
        let (job, definition) = (trigger.job, trigger.definition.clone());
        self.inbox.record_pushes(Pushes { job, trigger: trigger.trigger.clone(), definition, news }).await
    }

    fn arrival(&self, trigger: &Armed, push: &Push, cause: Cause) -> Arrival {
        let now = crate::clock::now();
        let made = self.inbox.arrival(trigger.job, TriggerKind::GitPush, now, push.context());
        Arrival { trigger: trigger.trigger.clone(), cause, ..made }
    }
}
