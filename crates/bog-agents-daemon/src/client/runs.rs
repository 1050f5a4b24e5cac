//! What the daemon is asked about runs and fires.

use super::{Client, ClientError, RunEvents};
use crate::api::wire::{CancelRun, Fire, Fired, ResumeRun, Run, UsageBy, UsageTable};
use bog_domain::fire::Disposition;
use bog_domain::ids::{JobId, RunId};
use bog_domain::run::{Outcome, RunState};
use jiff::Timestamp;

/// Which runs are wanted. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct RunQuery {
    /// Of this job.
    pub job: Option<JobId>,
    /// In this state.
    pub state: Option<RunState>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Queued at or after.
    pub since: Option<Timestamp>,
    /// Queued before.
    pub until: Option<Timestamp>,
}

/// Which fires are wanted. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct FireQuery {
    /// Of this job.
    pub job: Option<JobId>,
    /// With this disposition.
    pub disposition: Option<Disposition>,
    /// Due at or after.
    pub since: Option<Timestamp>,
    /// Due before.
    pub until: Option<Timestamp>,
}

impl Client {
    /// The newest runs, newest first.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn runs(&self, wanted: &RunQuery, limit: usize) -> Result<Vec<Run>, ClientError> {
        let query = parameters([
            ("job", wanted.job.as_ref().map(ToString::to_string)),
            ("state", wanted.state.map(|state| state.to_string())),
            ("outcome", wanted.outcome.map(|outcome| outcome.to_string())),
            ("since", wanted.since.map(|at| at.to_string())),
            ("until", wanted.until.map(|at| at.to_string())),
        ]);
        self.pages(&["runs"], &query, limit).await
    }

    /// A run, with its deliveries.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn run(&self, id: RunId) -> Result<Run, ClientError> {
        self.json(self.get(&["runs", &id.to_string()])).await
    }

    /// What happens in a run, from its beginning to its end.
    #[must_use]
    pub fn run_events(&self, id: RunId) -> RunEvents {
        RunEvents::new(self.clone(), id)
    }

    /// What has happened in a run so far; its end is the run as it is now.
    #[must_use]
    pub fn run_events_so_far(&self, id: RunId) -> RunEvents {
        RunEvents::so_far(self.clone(), id)
    }

    /// Asks a run to end; answers with the run as it then is.
    ///
    /// # Errors
    /// When the daemon does not answer, has none of that id, or the run has ended.
    pub async fn cancel_run(&self, id: RunId, wish: &CancelRun) -> Result<Run, ClientError> {
        self.json(self.post(&["runs", &id.to_string(), "cancel"]).json(wish)).await
    }

    /// Goes on with a paused run; answers with the run as it then is.
    ///
    /// # Errors
    /// When the daemon does not answer, has none of that id, or the run is not paused.
    pub async fn resume_run(&self, id: RunId, wish: &ResumeRun) -> Result<Run, ClientError> {
        self.json(self.post(&["runs", &id.to_string(), "resume"]).json(wish)).await
    }

    /// What runs have used.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn usage(
        &self,
        by: UsageBy,
        job: Option<&JobId>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<UsageTable, ClientError> {
        let query = parameters([
            ("by", Some(by.as_str().to_owned())),
            ("job", job.map(ToString::to_string)),
            ("since", since.map(|at| at.to_string())),
            ("until", until.map(|at| at.to_string())),
        ]);
        self.json(self.get(&["usage"]).query(&query)).await
    }

    /// Fires a run's job again with the same event.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn rerun(&self, id: RunId) -> Result<Fired, ClientError> {
        self.json(self.post(&["runs", &id.to_string(), "rerun"])).await
    }

    /// The newest fires, newest first.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn fires(&self, wanted: &FireQuery, limit: usize) -> Result<Vec<Fire>, ClientError> {
        let query = parameters([
            ("job", wanted.job.as_ref().map(ToString::to_string)),
            ("disposition", wanted.disposition.map(|disposition| disposition.to_string())),
            ("since", wanted.since.map(|at| at.to_string())),
            ("until", wanted.until.map(|at| at.to_string())),
        ]);
        self.pages(&["fires"], &query, limit).await
    }
}

/// Query parameters, without those that are not given.
pub(super) fn parameters<const N: usize>(all: [(&'static str, Option<String>); N]) -> Vec<(&'static str, String)> {
    all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}
