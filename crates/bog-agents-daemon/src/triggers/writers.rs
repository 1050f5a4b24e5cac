//! Whose run may have written here: what every trigger asks that watches something agents can change.
//!
//! It answers from the ledger - which attempts were under way at that time - and from what their jobs are granted. That a
//! run could have written somewhere does not prove that it did: the answer only ever raises a fire's depth.

use crate::env;
use crate::jobs::Jobs;
use crate::store::{Store, StoreError, UnderWay};
use bog_domain::files::Window;
use bog_domain::fire::Cause;
use bog_domain::ids::JobUid;
use bog_domain::spec::ShellAccess;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The attempts that were under way at some time, and what they may write.
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
    /// `None`: everything.
    folders: Option<Vec<PathBuf>>,
}

impl Writers {
    /// Those whose attempts were under way at `since` or later, or ended no longer than `slack` before.
    pub(super) async fn since(
        (store, jobs): (&Store, &Jobs),
        data_dir: &Path,
        since: Timestamp,
        slack: Duration,
    ) -> Result<Self, StoreError> {
        let earlier = SignedDuration::try_from(slack).unwrap_or(SignedDuration::MAX);
        let since = since.checked_sub(earlier).unwrap_or(Timestamp::MIN);
        let attempts = store.under_way_since(since).await?;
        if attempts.is_empty() {
            return Ok(Self { writers: Vec::new(), slack });
        }
        let (jobs, runs) = (jobs.clone(), data_dir.join("runs"));
        let read = move || attempts.into_iter().map(|attempt| Writer::new(attempt, &jobs, &runs)).collect();
        let writers = crate::tasks::blocking(read).await.map_err(|_| StoreError::Closed)?;
        Ok(Self { writers, slack })
    }

    /// When attempts of a job were under way.
    pub(super) fn windows_of(&self, job: JobUid) -> Vec<Window> {
        self.writers.iter().filter(|writer| writer.job == job).map(|writer| writer.window).collect()
    }

    /// The deepest cause of what happened to a file then; `None` where no run could have done it.
    pub(super) fn cause_of(&self, file: &Path, at: Timestamp) -> Option<Cause> {
        let may_have = |writer: &&Writer| {
            let granted = |folders: &Vec<PathBuf>| folders.iter().any(|folder| file.starts_with(folder));
            writer.window.covers(at, self.slack) && writer.folders.as_ref().is_none_or(granted)
        };
        self.writers.iter().filter(may_have).map(|writer| writer.cause).max_by_key(|cause| cause.depth)
    }
}

impl Writer {
    fn new(attempt: UnderWay, jobs: &Jobs, runs: &Path) -> Self {
        let UnderWay { run, job, job_id, spec, window, cause } = attempt;
        // One that this version does not understand may have been granted anything.
        let folders = jobs.parse(&job_id, &spec).ok().filter(|job| job.grant.shell != ShellAccess::Host).map(|job| {
            let run_dir = runs.join(run.to_string());
            let working_dir = job.working_dir.as_deref().map_or_else(|| run_dir.join("work"), env::expand_home);
            let home = env::home_dir();
            let granted = job.grant.write.iter().filter_map(|path| path.resolve(Some(&working_dir), Some(&home)));
            let written: Vec<PathBuf> = granted.chain([working_dir.clone(), run_dir]).collect();
            let real = written.iter().filter_map(|folder| folder.canonicalize().ok());
            real.chain(written.iter().cloned()).collect()
        });
        Self { job, window, cause, folders }
    }
}
