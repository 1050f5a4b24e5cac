//! Whose run may have written here: what every trigger asks that watches something agents can change.
//!
//! It answers from the ledger - which attempts were under way at that time, and which deliveries to files - and from what
//! their jobs are granted. That a run could have written somewhere does not prove that it did: the answer only ever raises
//! a fire's depth.

use crate::jobs::Jobs;
use crate::store::{FileDelivery, Store, StoreError, UnderWay};
use crate::{clock, env};
use bog_domain::containment::NetworkAccess;
use bog_domain::files::{Own, Window};
use bog_domain::fire::Cause;
use bog_domain::ids::JobUid;
use bog_domain::spec::ShellAccess;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest step in which file systems keep time: what was written right after an instant may bear a time that long
/// before it.
pub(super) const TICK: SignedDuration = SignedDuration::from_millis(10);

/// Who was at work at some time, and what they may write.
#[derive(Debug)]
pub(super) struct Writers {
    writers: Vec<Writer>,
    /// How long after its end something may still be told of an attempt's doing.
    slack: Duration,
}

#[derive(Debug)]
struct Writer {
    job: JobUid,
    window: Window,
    cause: Cause,
    writes: Writes,
    /// Whether it may change anything that is not in files of this machine.
    goes_out: bool,
}

/// What somebody may write.
#[derive(Debug)]
enum Writes {
    /// An attempt that nothing confines.
    Everything,
    /// An attempt: what lies in these folders.
    Within(Vec<PathBuf>),
    /// A delivery: these names of one file.
    Only(Vec<PathBuf>),
}

impl Writers {
    /// Those who were at work at `since` or later, or ended no longer than `slack` before.
    pub(super) async fn since(
        (store, jobs): (&Store, &Jobs),
        data_dir: &Path,
        since: Timestamp,
        slack: Duration,
    ) -> Result<Self, StoreError> {
        let earlier = SignedDuration::try_from(slack).unwrap_or(SignedDuration::MAX);
        let since = since.checked_sub(earlier).unwrap_or(Timestamp::MIN);
        let attempts = store.under_way_since(since).await?;
        // Asked after the attempts: a run's outputs begin with its end.
        let deliveries = store.file_deliveries_since(since, clock::now()).await?;
        if attempts.is_empty() && deliveries.is_empty() {
            return Ok(Self { writers: Vec::new(), slack });
        }
        let (jobs, runs) = (jobs.clone(), data_dir.join("runs"));
        let read = move || {
            let attempts = attempts.into_iter().map(|attempt| Writer::of_attempt(attempt, &jobs, &runs));
            attempts.chain(deliveries.into_iter().map(Writer::of_delivery)).collect()
        };
        let writers = crate::tasks::blocking(read).await.map_err(|_| StoreError::Closed)?;
        Ok(Self { writers, slack })
    }

    /// When a job's own attempts and deliveries were under way.
    pub(super) fn own_of(&self, job: JobUid) -> Vec<Own> {
        let own = self.writers.iter().filter(|writer| writer.job == job);
        own.map(|writer| {
            let files = match &writer.writes {
                Writes::Everything | Writes::Within(_) => None,
                Writes::Only(files) => Some(files.clone()),
            };
            Own { window: writer.window, files }
        })
        .collect()
    }

    /// The deepest cause of what happened to a file then; `None` where no run could have done it.
    pub(super) fn cause_of(&self, file: &Path, at: Timestamp) -> Option<Cause> {
        self.cause_between(file, at, at)
    }

    /// As [`Self::cause_of`], of what happened between two instants.
    pub(super) fn cause_between(&self, file: &Path, from: Timestamp, to: Timestamp) -> Option<Cause> {
        self.deepest(|writer| writer.window.meets(from, to, self.slack) && writer.may_write(file))
    }

    /// The deepest cause of what a job's own attempts may have done to another machine between two instants.
    pub(super) fn cause_elsewhere(&self, job: JobUid, from: Timestamp, to: Timestamp) -> Option<Cause> {
        self.deepest(|writer| writer.job == job && writer.goes_out && writer.window.meets(from, to, self.slack))
    }

    fn deepest(&self, may_have: impl Fn(&Writer) -> bool) -> Option<Cause> {
        let causes = self.writers.iter().filter(|writer| may_have(writer)).map(|writer| writer.cause);
        causes.max_by_key(|cause| cause.depth)
    }
}

impl Writer {
    fn of_attempt(attempt: UnderWay, jobs: &Jobs, runs: &Path) -> Self {
        let UnderWay { run, job, job_id, spec, window, cause, kind } = attempt;
        // One that this version does not understand may have been granted anything.
        let parsed = jobs.parse(&job_id, &spec).ok();
        let granted = parsed.as_ref().map(|job| (job, job.grant_at(kind.tier())));
        let confined = granted.filter(|(_, grant)| grant.shell != ShellAccess::Host);
        let Some((parsed, grant)) = confined else {
            return Self { job, window, cause, writes: Writes::Everything, goes_out: true };
        };
        let run_dir = runs.join(run.to_string());
        let working_dir = parsed.working_dir.as_deref().map_or_else(|| run_dir.join("work"), env::expand_home);
        let home = env::home_dir();
        let granted = grant.write.iter().filter_map(|path| path.resolve(Some(&working_dir), Some(&home)));
        let written: Vec<PathBuf> = granted.chain([working_dir.clone(), run_dir]).collect();
        let real = written.iter().filter_map(|folder| folder.canonicalize().ok());
        let writes = Writes::Within(real.chain(written.iter().cloned()).collect());
        let goes_out = match grant.network {
            NetworkAccess::None | NetworkAccess::Provider => false,
            NetworkAccess::Loopback | NetworkAccess::Full => true,
        };
        Self { job, window, cause, writes, goes_out }
    }

    fn of_delivery(delivery: FileDelivery) -> Self {
        let FileDelivery { job, files, window, cause } = delivery;
        // A file may be a link, or in a folder that is one.
        let real = files.iter().flat_map(|file| {
            let beside = file.parent().and_then(|folder| Some(folder.canonicalize().ok()?.join(file.file_name()?)));
            [beside, file.canonicalize().ok()]
        });
        let mut names: Vec<PathBuf> = real.flatten().chain(files.iter().cloned()).collect();
        names.sort_unstable();
        names.dedup();
        // It is due as soon as its run has ended, and may be made within one step of a file system's clock.
        let window = Window { from: window.from.checked_sub(TICK).unwrap_or(window.from), ..window };
        Self { job, window, cause, writes: Writes::Only(names), goes_out: false }
    }

    fn may_write(&self, file: &Path) -> bool {
        match &self.writes {
            Writes::Everything => true,
            Writes::Within(folders) => folders.iter().any(|folder| file.starts_with(folder)),
            Writes::Only(files) => files.iter().any(|written| written == file),
        }
    }
}
