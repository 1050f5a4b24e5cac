//! How a job is changed: the file first, then the store, then the answer.

use super::service::{Author, Jobs, JobsError, Version, spec_json};
use super::{edit, file};
use crate::clock;
use crate::store::{Answer, FileState, JobRow, SaveJob};
use bog_domain::error::SpecError;
use bog_domain::ids::{JobId, JobUid};
use bog_domain::job::{Defaults, Job};
use bog_domain::spec::{JobSpec, yaml};
use std::io;
use std::path::Path;

/// What a job is to be.
pub(super) enum Source {
    /// Its fields, whose text is ours to write.
    Spec(Box<JobSpec>),
    /// A person's text, comments and all.
    Text(String),
}

impl Source {
    fn read(self, id: &JobId, defaults: &Defaults) -> Result<(String, JobSpec, Job), SpecError> {
        match self {
            Self::Spec(spec) => {
                let job = Job::parse(id.clone(), &spec, defaults)?;
                Ok((yaml::to_yaml(&spec), *spec, job))
            }
            Self::Text(text) => {
                let spec = yaml::parse(&text)?;
                let job = Job::parse(id.clone(), &spec, defaults).map_err(|error| error.located_in(&text))?;
                Ok((text, spec, job))
            }
        }
    }
}

impl Jobs {
    /// Makes a job.
    pub(super) async fn make(
        &self,
        id: JobId,
        source: Source,
        author: Author,
        answer: Option<Answer>,
    ) -> Result<JobRow, JobsError> {
        let _changing = self.inner.changing.lock().await;
        let path = file::path_of(&self.inner.folder, id.as_str());
        if self.inner.store.job(id.clone()).await?.is_some() || path.exists() {
            let message = format!("job `{id}` exists already: choose another `id`, or change it with `job edit {id}`");
            return Err(JobsError::Conflict(message));
        }
        let row = self.write(id, source, author, answer).await;
        if row.is_err() {
            // The caller is told that there is no job, so there must be none at the next start either.
            let _ = std::fs::remove_file(&path);
        }
        row
    }

    /// Makes a job what `source` says.
    pub(super) async fn exchange(
        &self,
        id: JobId,
        source: Source,
        if_match: Option<Version>,
        author: Author,
    ) -> Result<JobRow, JobsError> {
        let _changing = self.inner.changing.lock().await;
        self.unchanged(&id, if_match.as_ref()).await?;
        self.write(id, source, author, None).await
    }

    /// Merges fields into a job.
    pub(super) async fn merge(
        &self,
        id: JobId,
        merge: serde_json::Value,
        if_match: Option<Version>,
        author: Author,
    ) -> Result<JobRow, JobsError> {
        let _changing = self.inner.changing.lock().await;
        let row = self.unchanged(&id, if_match.as_ref()).await?;
        let mut value = serde_json::from_str(&row.spec).map_err(|error| SpecError::new("", error))?;
        edit::merge_patch(&mut value, merge);
        self.write(id, Source::Spec(Box::new(yaml::from_json(value)?)), author, None).await
    }

    /// Enables or disables a job.
    pub(super) async fn switch(&self, id: JobId, enabled: bool, author: Author) -> Result<JobRow, JobsError> {
        let _changing = self.inner.changing.lock().await;
        self.unchanged(&id, None).await?;
        let path = file::path_of(&self.inner.folder, id.as_str());
        let (text, _) = file::read(&path).map_err(|error| failed("read", &path, &error))?;
        self.write(id, Source::Text(edit::set_enabled(&text, enabled)), author, None).await
    }

    /// Removes a job.
    pub(super) async fn remove(&self, id: JobId, if_match: Option<Version>) -> Result<(), JobsError> {
        let _changing = self.inner.changing.lock().await;
        let row = self.inner.store.job(id.clone()).await?.ok_or_else(|| JobsError::NotFound(id.clone()))?;
        check_revision(&row, if_match.as_ref())?;
        remove(&file::path_of(&self.inner.folder, id.as_str()))?;
        self.inner.store.delete_job(id.clone(), clock::now()).await?;
        // The copy is of no use without the job; one that stays behind is not taken for a job either.
        let _ = std::fs::remove_file(file::path_of(&self.inner.good, id.as_str()));
        self.changed();
        self.inner.wakes.dispatcher.notify_one();
        Ok(())
    }

    /// The active row of a job whose file still holds what the row came from, or what the client means to change.
    async fn unchanged(&self, id: &JobId, if_match: Option<&Version>) -> Result<JobRow, JobsError> {
        let row = self.inner.store.job(id.clone()).await?.ok_or_else(|| JobsError::NotFound(id.clone()))?;
        check_revision(&row, if_match)?;
        let expected = match if_match {
            Some(Version::Text(hash)) => hash,
            Some(Version::Revision(_)) | None => &row.hash,
        };
        let path = file::path_of(&self.inner.folder, id.as_str());
        let now = match file::read(&path) {
            Ok((_, now)) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let message = format!("`{}` was removed by hand meanwhile: the job is going away", path.display());
                return Err(JobsError::Conflict(message));
            }
            Err(error) => return Err(failed("read", &path, &error)),
        };
        if now.hash != *expected {
            let path = path.display();
            let message = match row.invalid.as_deref().map(serde_json::from_str::<SpecError>) {
                Some(Ok(wrong)) => format!(
                    "`{path}` was edited by hand and is not valid ({wrong}): put it right first, for example with \
                     `bog-agents-daemon job edit {id}`"
                ),
                Some(Err(_)) | None => {
                    format!("`{path}` was changed by hand meanwhile: it is not overwritten; read the job again")
                }
            };
            return Err(JobsError::Conflict(message));
        }
        Ok(row)
    }

    async fn write(
        &self,
        id: JobId,
        source: Source,
        author: Author,
        answer: Option<Answer>,
    ) -> Result<JobRow, JobsError> {
        let (text, spec, job) = source.read(&id, &self.inner.defaults)?;
        self.inner.secrets.name(spec.secret_names());
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
        self.changed();
        self.inner.store.job(id.clone()).await?.ok_or(JobsError::NotFound(id))
    }
}

/// The state of a file that was just written. Whoever changed it since is noticed by the stamp that is left out.
fn state_of(path: &Path, text: &str) -> FileState {
    let hash = file::hash(text.as_bytes());
    let stamp = file::read(path).ok().filter(|(_, now)| now.hash == hash).map(|(_, now)| now.stamp);
    FileState { hash, stamp: stamp.unwrap_or_default() }
}

fn check_revision(row: &JobRow, if_match: Option<&Version>) -> Result<(), JobsError> {
    match if_match {
        Some(Version::Revision(wanted)) if *wanted != row.revision => {
            Err(JobsError::Stale { wanted: *wanted, current: row.revision })
        }
        Some(Version::Revision(_) | Version::Text(_)) | None => Ok(()),
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

pub(super) fn failed(verb: &str, path: &Path, error: &io::Error) -> JobsError {
    if error.kind() == io::ErrorKind::StorageFull {
        return JobsError::Full;
    }
    JobsError::Io(format!("cannot {verb} `{}`: {error}", path.display()))
}
