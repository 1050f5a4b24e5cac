//! Pushes to git repositories: one task per repository follows its refs - a folder is watched, a remote is asked - and
//! records what has moved since its triggers last knew. No repository waits for another.
//!
//! What is remembered is in the store, and moves on in one commit with the fires: nothing here is lost with the process.
//! What a push is, is decided by `bog-domain`; what a repository holds is asked of git.

mod causes;
mod follow;
mod record;
mod standing;
mod watches;

use crate::inbox::Inbox;
use crate::jobs::Jobs;
use crate::store::{GitTrigger, Store, StoreError};
use crate::tasks::Group;
use crate::telemetry::Problems;
use crate::wakes::Wakes;
use bog_domain::git::Source;
use bog_domain::ids::{JobUid, TriggerId};
use bog_domain::job::GitPush;
use bog_domain::spec::TriggerSpec;
use follow::Follower;
use standing::Standing;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use watches::Watches;

/// How long it waits before it tries again when the store fails, or a task ended that should not have.
const RETRY: Duration = Duration::from_secs(1);

/// What the watch over repositories works with.
#[derive(Clone)]
pub struct GitPushes {
    /// Where the triggers and their memories are.
    pub store: Store,
    /// Where fires go.
    pub inbox: Inbox,
    /// Who wakes it.
    pub wakes: Arc<Wakes>,
    /// Who knows what a job's triggers are.
    pub jobs: Jobs,
    /// Who is told which repositories cannot be followed.
    pub problems: Problems,
    /// The data folder, where hooks leave what they tell.
    pub data_dir: PathBuf,
}

/// A trigger that is to fire.
#[derive(Debug, Clone)]
struct Armed {
    job: JobUid,
    trigger: TriggerId,
    definition: String,
    push: GitPush,
}

impl Armed {
    /// What it is, as far as following its repository goes.
    fn identity(&self) -> (JobUid, &TriggerId, &str, Duration) {
        (self.job, &self.trigger, &self.definition, self.push.interval)
    }
}

/// Follows the repositories of all triggers until told to stop.
pub async fn run(git: GitPushes, stop: CancellationToken) {
    let standing = Standing::new(git.problems.clone());
    let mut followers =
        Followers { git, standing, watches: Arc::default(), running: BTreeMap::new(), group: Group::new() };
    loop {
        // Interest is registered before the store is asked, so that a change in between is not slept through.
        let wakes = Arc::clone(&followers.git.wakes);
        let changed = wakes.git.notified();
        let failed = followers.keep_up().await.inspect_err(|error| {
            tracing::error!(%error, "the triggers for pushes cannot be read; trying again");
        });
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed => {}
            () = tokio::time::sleep(RETRY), if failed.is_err() => {}
            Some(ended) = followers.group.ended(), if !followers.group.is_empty() => {
                if let Err(error) = ended && !error.is_cancelled() {
                    tracing::error!(%error, "a repository is followed no more by a defect; following it anew");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// The tasks that follow repositories.
struct Followers {
    git: GitPushes,
    standing: Standing,
    watches: Arc<Watches>,
    running: BTreeMap<Source, (AbortHandle, watch::Sender<Vec<Armed>>)>,
    group: Group,
}

impl Followers {
    /// Starts what is new, ends what is gone, and tells the others what has changed.
    async fn keep_up(&mut self) -> Result<(), StoreError> {
        let mut wanted = self.wanted().await?;
        let (git, standing, watches) = (&self.git, &self.standing, &self.watches);
        self.running.retain(|source, (task, triggers)| {
            // One that ended by a defect is started again below.
            let armed = if task.is_finished() { None } else { wanted.remove(source) };
            let Some(armed) = armed else {
                task.abort();
                watches.forget(source);
                standing.clear(source);
                return false;
            };
            triggers.send_if_modified(|known| {
                let same = known.iter().map(Armed::identity).eq(armed.iter().map(Armed::identity));
                if !same {
                    *known = armed;
                }
                !same
            });
            true
        });
        for (source, armed) in wanted {
            let (sender, triggers) = watch::channel(armed);
            let follower = Follower::new(git.clone(), source.clone(), triggers, Arc::clone(watches), standing.clone());
            let task = self.group.start("git repository", follower.follow());
            self.running.insert(source, (task, sender));
        }
        Ok(())
    }

    /// The triggers, by repository. A job that this version finds invalid has none.
    async fn wanted(&self) -> Result<BTreeMap<Source, Vec<Armed>>, StoreError> {
        let mut wanted: BTreeMap<Source, Vec<Armed>> = BTreeMap::new();
        for found in self.git.store.git_triggers().await? {
            if let Some(armed) = self.armed(found) {
                wanted.entry(armed.push.source.clone()).or_default().push(armed);
            }
        }
        Ok(wanted)
    }

    fn armed(&self, found: GitTrigger) -> Option<Armed> {
        let job = self.git.jobs.parse(&found.job_id, &found.spec).ok()?;
        let TriggerSpec::GitPush(spec) = &job.trigger(&found.trigger)?.spec else { return None };
        let push = GitPush::parse(spec, &str::to_owned).ok()?;
        Some(Armed { job: found.job, trigger: found.trigger, definition: found.definition, push })
    }
}
