//! Changing jobs through the API: the file first, then the store, then the answer.

use super::{edit, file};
use crate::clock;
use crate::store::{Answer, FileState, JobRow, SaveJob, Store, StoreError};
use crate::wakes::Wakes;
use bog_domain::error::SpecError;
use bog_domain::ids::{JobId, JobUid};
use bog_domain::job::{Defaults, Job};
use bog_domain::spec::{JobSpec, yaml};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    pub(super) wakes: Arc<Wakes>,
    pub(super) folder: PathBuf,
    pub(super) good: PathBuf,
    pub(super) defaults: Defaults,
    /// Held while files are changed or compared: a change and a reconciliation never see each other half done.
    pub(super) changing: Mutex<()>,
    /// Files that are no jobs, and why.
    pub(super) unusable: std::sync::Mutex<BTreeMap<PathBuf, String>>,
}

impl Jobs {
    /// The jobs of a data folder.
    #[must_use]
    pub fn new(store: Store, wakes: Arc<Wakes>, data_dir: &Path, defaults: Defaults) -> Self {
        let (folder, good) = (data_dir.join("jobs"), data_dir.join("revisions"));
        let inner =
            Inner { store, wakes, folder, good, defaults, changing: Mutex::default(), unusable: Default::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The valid job of a stored spec.
    ///
    /// # Errors
    /// When it is no longer valid under this version or configuration.
    pub fn parse(&self, id: &JobId, spec: &str) -> Result<Job, SpecError> {
        let value = serde_json::from_str(spec).map_err(|error| SpecError::new("", error))?;
        Job::parse(id.clone(), &yaml::from_json(value)?, &self.inner.defaults)
    }

    /// Makes a new job. Its id is the spec's, else the slug of its name. An answer is kept with it.
    ///
    /// # Errors
    /// When the id is taken, the spec is not valid, or it cannot be written.
    pub async fn create(&self, spec: JobSpec, author: Author, answer: Option<Answer>) -> Result<JobRow, JobsError> {
        let id = new_id(&spec)?;
        let _changing = self.inner.changing.lock().await;
        let path = file::path_of(&self.inner.folder, id.as_str());
        if self.inner.store.job(id.clone()).await?.is_some() || path.exists() {
            let message = format!("job `{id}` exists already: choose another `id`, or change it with `job edit {id}`");
            return Err(JobsError::Conflict(message));
        }
        let row = self.write(id, spec, author, answer).await;
        if row.is_err() {
            // The caller is told that there is no job, so there must be none at the next start either.
            let _ = std::fs::remove_file(&path);
        }
        row
    }

    /// Replaces a job's spec.
    ///
    /// # Errors
    /// When there is no such job, it has changed meanwhile, the spec is not valid, or it cannot be written.
    pub async fn replace(
        &self,
        id: JobId,
        spec: JobSpec,
        if_match: Option<u32>,
        author: Author,
    ) -> Result<JobRow, JobsError> {
        let _changing = self.inner.changing.lock().await;
        self.unchanged(&id, if_match).await?;
        self.write(id, spec, author, None).await
    }

    /// Changes some fields of a job's spec (JSON merge patch, RFC 7396).
    ///
    /// # Errors
    /// As [`Jobs::replace`].
    pub async fn patch(
        &self,
        id: JobId,
        merge: serde_json::Value,
        if_match: Option<u32>,
        author: Author,
    ) -> Result<JobRow, JobsError> {
        let _changing = self.inner.changing.lock().await;
        let row = self.unchanged(&id, if_match).await?;
        let mut value = serde_json::from_str(&row.spec).map_err(|error| SpecError::new("", error))?;
        merge_patch(&mut value, merge);
        self.write(id, yaml::from_json(value)?, author, None).await
    }

    /// Enables or disables a job by changing one line of its file.
    ///
    /// # Errors
    /// As [`Jobs::replace`].
    pub async fn set_enabled(&self, id: JobId, enabled: bool, author: Author) -> Result<JobRow, JobsError> {
        let _changing = self.inner.changing.lock().await;
        self.unchanged(&id, None).await?;
        let path = file::path_of(&self.inner.folder, id.as_str());
        let (text, _) = file::read(&path).map_err(|error| failed("read", &path, &error))?;
        self.write_text(id, edit::set_enabled(&text, enabled), author, None).await
    }

    /// Deletes a job: its file, its triggers and what waits. Its history stays.
    ///
    /// # Errors
    /// When there is no such job or it cannot be deleted.
    pub async fn delete(&self, id: JobId, if_match: Option<u32>) -> Result<(), JobsError> {
        let _changing = self.inner.changing.lock().await;
        let row = self.inner.store.job(id.clone()).await?.ok_or_else(|| JobsError::NotFound(id.clone()))?;
        check_revision(&row, if_match)?;
        let path = file::path_of(&self.inner.folder, id.as_str());
        remove(&path)?;
        self.inner.store.delete_job(id.clone(), clock::now()).await?;
        // The copy is of no use without the job; one that stays behind is not taken for a job either.
        let _ = std::fs::remove_file(file::path_of(&self.inner.good, id.as_str()));
        self.inner.wakes.slots.notify_one();
        self.inner.wakes.dispatcher.notify_one();
        Ok(())
    }

    /// The active row of a job whose file still holds what the row came from.
    async fn unchanged(&self, id: &JobId, if_match: Option<u32>) -> Result<JobRow, JobsError> {
        let row = self.inner.store.job(id.clone()).await?.ok_or_else(|| JobsError::NotFound(id.clone()))?;
        check_revision(&row, if_match)?;
        let path = file::path_of(&self.inner.folder, id.as_str());
        let now = match file::read(&path) {
            Ok((_, now)) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("`{}` was removed by hand meanwhile: the job is going away", path.display());
                return Err(JobsError::Conflict(message));
            }
            Err(error) => return Err(failed("read", &path, &error)),
        };
        if now.hash != row.hash {
            let message = format!(
                "`{}` was changed by hand meanwhile: it is not overwritten; read the job again",
                path.display()
            );
            return Err(JobsError::Conflict(message));
        }
        Ok(row)
    }

    async fn write(
        &self,
        id: JobId,
        spec: JobSpec,
        author: Author,
        answer: Option<Answer>,
    ) -> Result<JobRow, JobsError> {
        self.write_text(id, yaml::to_yaml(&spec), author, answer).await
    }

    async fn write_text(
        &self,
        id: JobId,
        text: String,
        author: Author,
        answer: Option<Answer>,
    ) -> Result<JobRow, JobsError> {
        let spec = yaml::parse(&text)?;
        let job = Job::parse(id.clone(), &spec, &self.inner.defaults)?;
        crate::failpoint::hit("jobs.before_file");
        let path = file::path_of(&self.inner.folder, id.as_str());
        let before = std::fs::read_to_string(&path).ok();
        file::write_durably(&path, &text).map_err(|error| failed("write", &path, &error))?;
        crate::failpoint::hit("jobs.after_file");
        let state = state_of(&path, &text);
        let uid = JobUid::new(clock::new_id());
        let save = SaveJob::new(uid, &job, spec_json(&spec), state, author.as_str(), clock::now());
        if let Err(error) = self.inner.store.save_job(save, answer, clock::now()).await {
            // The caller is told that nothing changed: put the old text back, as far as the disk lets us.
            if let Some(before) = before {
                let _ = file::write_durably(&path, &before);
            }
            return Err(error.into());
        }
        // A spare copy: what it holds is in the store and in the job's file already.
        let _ = file::write_durably(&file::path_of(&self.inner.good, id.as_str()), &text);
        self.inner.wakes.slots.notify_one();
        self.inner.store.job(id.clone()).await?.ok_or(JobsError::NotFound(id))
    }
}

/// The state of a file that was just written. Whoever changed it since is noticed by the stamp that is left out.
fn state_of(path: &Path, text: &str) -> FileState {
    let hash = file::hash(text.as_bytes());
    let stamp = file::read(path).ok().filter(|(_, now)| now.hash == hash).map(|(_, now)| now.stamp);
    FileState { hash, stamp: stamp.unwrap_or_default() }
}

/// The spec as it is stored: JSON, so that SQL can look into it.
pub(super) fn spec_json(spec: &JobSpec) -> String {
    serde_json::to_string(spec).unwrap_or_else(|error| unreachable!("a job spec is plain data: {error}"))
}

fn new_id(spec: &JobSpec) -> Result<JobId, SpecError> {
    match (&spec.id, &spec.name) {
        (Some(id), _) => id.parse().map_err(|error| SpecError::new("id", error)),
        (None, Some(name)) => JobId::slug(name).ok_or_else(|| {
            SpecError::new("name", format!("`{name}` has no letters or digits to make an id of: give the job an `id`"))
        }),
        (None, None) => Err(SpecError::new("id", "missing: give the job an `id`, or a `name` to make one of")),
    }
}

fn check_revision(row: &JobRow, if_match: Option<u32>) -> Result<(), JobsError> {
    match if_match {
        Some(wanted) if wanted != row.revision => Err(JobsError::Stale { wanted, current: row.revision }),
        Some(_) | None => Ok(()),
    }
}

fn remove(path: &Path) -> Result<(), JobsError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, &error)),
        Ok(()) | Err(_) => {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| failed("sync", folder, &error))
        }
    }
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> JobsError {
    if error.kind() == io::ErrorKind::StorageFull {
        return JobsError::Full;
    }
    JobsError::Io(format!("cannot {verb} `{}`: {error}", path.display()))
}

/// RFC 7396: objects merge, null removes, anything else replaces.
fn merge_patch(target: &mut serde_json::Value, patch: serde_json::Value) {
    use serde_json::Value;
    match (target, patch) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    fields.remove(&name);
                } else {
                    merge_patch(fields.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (target, Value::Object(changes)) => {
            *target = Value::Object(serde_json::Map::new());
            merge_patch(target, Value::Object(changes));
        }
        (target, patch) => *target = patch,
    }
}
