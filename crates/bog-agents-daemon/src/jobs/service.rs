//! The jobs as the API asks for them. A change runs to its end, whatever becomes of who asked for it; [`change`] makes it.
//!
//! [`change`]: super::change

use super::change::{self, Source};
use super::file;
use crate::secrets::Secrets;
use crate::store::{Answer, JobRow, Store, StoreError};
use crate::tasks;
use crate::wakes::Wakes;
use bog_domain::error::SpecError;
use bog_domain::ids::JobId;
use bog_domain::job::{Defaults, Job};
use bog_domain::spec::{JobSpec, yaml};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// Who changed a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The command line.
    Cli,
    /// Another client of the API.
    Api,
    /// A person, with an editor.
    File,
}

impl Author {
    /// The name kept with the revision.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Api => "api",
            Self::File => "file",
        }
    }
}

/// What a client means to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// This revision.
    Revision(u32),
    /// The file with the text of this digest, whether or not it is valid.
    Text(String),
}

impl Version {
    /// The version a text is.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        Self::Text(file::hash(text.as_bytes()))
    }
}

/// Why a job was not changed. Nothing was.
#[derive(Debug, thiserror::Error)]
pub enum JobsError {
    /// There is no such job.
    #[error("there is no job `{0}`: `bog-agents-daemon job list` shows those there are")]
    NotFound(JobId),
    /// Something stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// The client changed another revision than the one that runs.
    #[error("job is at revision {current}, not {wanted}: read it again and repeat the change")]
    Stale {
        /// The client's.
        wanted: u32,
        /// The one that runs.
        current: u32,
    },
    /// The job is not valid.
    #[error("{0}")]
    Invalid(#[from] SpecError),
    /// No space is left.
    #[error("no space left on the device that holds the data folder: free some and try again")]
    Full,
    /// The store failed.
    #[error("{0}")]
    Store(StoreError),
    /// A file could not be read or written.
    #[error("{0}")]
    Io(String),
}

impl From<StoreError> for JobsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            StoreError::Unavailable(_) | StoreError::Corrupt(_) | StoreError::Closed | StoreError::Refused(_) => {
                Self::Store(error)
            }
        }
    }
}

/// The jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) secrets: Secrets,
    pub(super) wakes: Arc<Wakes>,
    pub(super) folder: PathBuf,
    pub(super) good: PathBuf,
    pub(super) defaults: Defaults,
    /// Goes up with every change of any job.
    pub(super) changes: AtomicU64,
    /// Held while files are changed or compared: a change and a reconciliation never see each other half done.
    pub(super) changing: Mutex<()>,
    /// Files that are no jobs, and why.
    pub(super) unusable: std::sync::Mutex<BTreeMap<PathBuf, String>>,
}

impl Jobs {
    /// The jobs of a data folder. Whatever secrets they name, `secrets` is told of.
    #[must_use]
    pub fn new(store: Store, secrets: Secrets, wakes: Arc<Wakes>, data_dir: &Path, defaults: Defaults) -> Self {
        let (folder, good) = (data_dir.join("jobs"), data_dir.join("revisions"));
        let (changes, changing, unusable) = Default::default();
        let inner = Inner { store, secrets, wakes, folder, good, defaults, changes, changing, unusable };
        Self { inner: Arc::new(inner) }
    }

    /// Tells `secrets` what all jobs name.
    ///
    /// # Errors
    /// When the jobs cannot be read.
    pub async fn name_secrets(&self) -> Result<(), StoreError> {
        for spec in self.inner.store.specs_that_may_name_secrets().await? {
            // One that this version does not understand is shown with its job.
            if let Ok(spec) = serde_json::from_str::<JobSpec>(&spec) {
                self.inner.secrets.name(spec.secret_names());
            }
        }
        Ok(())
    }

    /// The valid job of a stored spec.
    ///
    /// # Errors
    /// When it is no longer valid under this version or configuration.
    pub fn parse(&self, id: &JobId, spec: &str) -> Result<Job, SpecError> {
        let value = serde_json::from_str(spec).map_err(|error| SpecError::new("", error))?;
        Job::parse(id.clone(), &yaml::from_json(value)?, &self.inner.defaults)
    }

    /// A number that goes up with every change of any job: what was made of the jobs at the same number still holds.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.inner.changes.load(Ordering::SeqCst)
    }

    /// Says that jobs have changed, once the store has it.
    pub(super) fn changed(&self) {
        self.inner.changes.fetch_add(1, Ordering::SeqCst);
        self.inner.wakes.slots.notify_one();
        self.inner.wakes.git.notify_one();
        self.inner.wakes.files.notify_one();
    }

    /// The IANA zone of cron expressions that name none.
    #[must_use]
    pub fn timezone(&self) -> &str {
        &self.inner.defaults.timezone
    }

    /// The text of a job's file, as it is now: that of an edit that is not valid too.
    ///
    /// # Errors
    /// When there is no such job, or its file cannot be read.
    pub async fn text(&self, id: &JobId) -> Result<String, JobsError> {
        let path = file::path_of(&self.inner.folder, id.as_str());
        let read = tasks::blocking(move || file::read(&path).map_err(|error| change::failed("read", &path, &error)));
        let (text, _) = read.await.map_err(|error| JobsError::Io(error.to_string()))??;
        Ok(text)
    }

    /// Makes a new job. Its id is the spec's, else the slug of its name. An answer is kept with it.
    ///
    /// # Errors
    /// When the id is taken, the spec is not valid, or it cannot be written.
    pub async fn create(&self, spec: JobSpec, author: Author, answer: Option<Answer>) -> Result<JobRow, JobsError> {
        let id = new_id(&spec, None)?;
        let jobs = self.clone();
        to_the_end(async move { jobs.make(id, Source::Spec(Box::new(spec)), author, answer).await }).await
    }

    /// Makes a new job of a file's text, which is kept as it is. Its id is the text's, else the one given, else the slug
    /// of its name.
    ///
    /// # Errors
    /// As [`Jobs::create`], with the place in the text.
    pub async fn create_text(
        &self,
        id: Option<JobId>,
        text: String,
        author: Author,
        answer: Option<Answer>,
    ) -> Result<JobRow, JobsError> {
        let id = new_id(&yaml::parse(&text)?, id).map_err(|error| error.located_in(&text))?;
        let jobs = self.clone();
        to_the_end(async move { jobs.make(id, Source::Text(text), author, answer).await }).await
    }

    /// Replaces a job's spec.
    ///
    /// # Errors
    /// When there is no such job, it has changed meanwhile, the spec is not valid, or it cannot be written.
    pub async fn replace(
        &self,
        id: JobId,
        spec: JobSpec,
        if_match: Option<Version>,
        author: Author,
    ) -> Result<JobRow, JobsError> {
        let jobs = self.clone();
        to_the_end(async move { jobs.exchange(id, Source::Spec(Box::new(spec)), if_match, author).await }).await
    }

    /// Replaces the text of a job's file, and keeps it as it is.
    ///
    /// # Errors
    /// As [`Jobs::replace`], with the place in the text.
    pub async fn replace_text(
        &self,
        id: JobId,
        text: String,
        if_match: Option<Version>,
        author: Author,
    ) -> Result<JobRow, JobsError> {
        let jobs = self.clone();
        to_the_end(async move { jobs.exchange(id, Source::Text(text), if_match, author).await }).await
    }

    /// Changes some fields of a job's spec (JSON merge patch, RFC 7396).
    ///
    /// # Errors
    /// As [`Jobs::replace`].
    pub async fn patch(
        &self,
        id: JobId,
        merge: serde_json::Value,
        if_match: Option<Version>,
        author: Author,
    ) -> Result<JobRow, JobsError> {
        let jobs = self.clone();
        to_the_end(async move { jobs.merge(id, merge, if_match, author).await }).await
    }

    /// Enables or disables a job by changing one line of its file.
    ///
    /// # Errors
    /// As [`Jobs::replace`].
    pub async fn set_enabled(&self, id: JobId, enabled: bool, author: Author) -> Result<JobRow, JobsError> {
        let jobs = self.clone();
        to_the_end(async move { jobs.switch(id, enabled, author).await }).await
    }

    /// Deletes a job: its file, its triggers and what waits. Its history stays.
    ///
    /// # Errors
    /// When there is no such job or it cannot be deleted.
    pub async fn delete(&self, id: JobId, if_match: Option<Version>) -> Result<(), JobsError> {
        let jobs = self.clone();
        to_the_end(async move { jobs.remove(id, if_match).await }).await
    }
}

/// A change that stopped half way would leave a file without its revision, or a revision that nothing was woken for.
async fn to_the_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, JobsError>> + Send + 'static,
) -> Result<T, JobsError> {
    let ended = tasks::to_the_end(change).await;
    ended.unwrap_or_else(|error| Err(JobsError::Io(format!("the change was broken off: {error}"))))
}

/// The spec as it is stored: JSON, so that SQL can look into it.
pub(super) fn spec_json(spec: &JobSpec) -> String {
    serde_json::to_string(spec).unwrap_or_else(|error| unreachable!("a job spec is plain data: {error}"))
}

fn new_id(spec: &JobSpec, given: Option<JobId>) -> Result<JobId, SpecError> {
    match (&spec.id, given, &spec.name) {
        (Some(id), Some(given), _) if id != given.as_str() => {
            Err(SpecError::new("id", format!("`{id}` is not `{given}`, which was asked for: leave one of the two out")))
        }
        (Some(id), _, _) => id.parse().map_err(|error| SpecError::new("id", error)),
        (None, Some(id), _) => Ok(id),
        (None, None, Some(name)) => JobId::slug(name).ok_or_else(|| {
            SpecError::new("name", format!("`{name}` has no letters or digits to make an id of: give the job an `id`"))
        }),
        (None, None, None) => Err(SpecError::new("id", "missing: give the job an `id`, or a `name` to make one of")),
    }
}
