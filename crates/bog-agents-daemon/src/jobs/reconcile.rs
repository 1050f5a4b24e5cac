//! Bringing the store in line with the files: what is new or edited becomes a revision, what is gone is deleted, what is
//! not valid is shown while the last good revision goes on.

use super::file;
use super::service::{Author, Jobs, JobsError, spec_json};
use crate::clock;
use crate::store::{FileState, SaveJob};
use bog_domain::error::SpecError;
use bog_domain::ids::{JobId, JobUid};
use bog_domain::job::{Defaults, Job};
use bog_domain::spec::{JobSpec, yaml};
use futures::future::try_join_all;
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Jobs written to the store in one commit.
const BATCH: usize = 256;

/// What a reconciliation did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Jobs that are new or have a new revision.
    pub saved: usize,
    /// Jobs whose file is gone.
    pub deleted: usize,
    /// Files that are not valid.
    pub invalid: usize,
}

impl AddAssign for Reconciled {
    fn add_assign(&mut self, more: Self) {
        self.saved += more.saved;
        self.deleted += more.deleted;
        self.invalid += more.invalid;
    }
}

/// A file that differs from what the store knows.
enum Difference {
    /// Same content, other times; or valid again as it was.
    Touched { id: JobId, state: FileState },
    /// A valid job.
    Valid { id: JobId, job: Box<Job>, spec: Box<JobSpec>, text: String, state: FileState },
    /// Not a valid job.
    Invalid { id: JobId, error: SpecError, state: FileState },
    /// Its name is no job id, or it cannot be read.
    Unusable { path: PathBuf, why: String },
}

impl Jobs {
    /// Brings the store in line with every file.
    ///
    /// # Errors
    /// When the folder cannot be read - then no job is deleted - or the store cannot be written.
    pub async fn reconcile(&self) -> Result<Reconciled, JobsError> {
        let (done, gone) = self.take_all().await?;
        Ok(Reconciled { deleted: self.delete_lost(gone).await?, ..done })
    }

    /// Brings the store in line with these files.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn reconcile_some(&self, paths: HashSet<PathBuf>) -> Result<Reconciled, JobsError> {
        if !self.inner.folder.exists() {
            // The whole folder went away: that is no wish to delete these jobs.
            return self.reconcile().await;
        }
        let (done, gone) = self.take_some(paths).await?;
        Ok(Reconciled { deleted: self.delete_lost(gone).await?, ..done })
    }

    /// Takes over every file; the jobs whose files are gone are the rest.
    async fn take_all(&self) -> Result<(Reconciled, Vec<JobId>), JobsError> {
        let _changing = self.inner.changing.lock().await;
        self.restore_lost_folder().await?;
        let known: HashMap<JobId, FileState> = self.inner.store.files().await?.into_iter().collect();
        let (folder, defaults) = (self.inner.folder.clone(), self.inner.defaults.clone());
        self.inner.unusable.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        let (found, mut differences) = mpsc::channel(BATCH);
        // As they are found, so that ten thousand new files are never all in memory.
        let apply = async move {
            let (mut done, mut batch) = (Reconciled::default(), Vec::with_capacity(BATCH));
            while differences.recv_many(&mut batch, BATCH).await > 0 {
                done += self.apply(batch.drain(..)).await?;
            }
            Ok::<_, JobsError>(done)
        };
        let scan = crate::tasks::blocking(move || scan(&folder, known, &defaults, &found));
        let (gone, done) = tokio::join!(scan, apply);
        let gone = gone.map_err(|error| JobsError::Io(error.to_string()))?.map_err(|error| {
            JobsError::Io(format!(
                "`{}` cannot be read: {error}; jobs go on as they were; make it readable for this user",
                self.inner.folder.display()
            ))
        })?;
        Ok((done?, gone))
    }

    /// Takes over these files; the jobs whose files are gone are the rest.
    async fn take_some(&self, paths: HashSet<PathBuf>) -> Result<(Reconciled, Vec<JobId>), JobsError> {
        let _changing = self.inner.changing.lock().await;
        let (mut differences, mut gone) = (Vec::new(), Vec::new());
        for path in paths {
            let Some(id) = job_of(&path) else { continue };
            // What is still wrong with it is found again below.
            self.usable(&path);
            if id.is_err() && !path.exists() {
                continue;
            }
            let known = match &id {
                Ok(id) => self.inner.store.job(id.clone()).await?,
                Err(_) => None,
            };
            let known = known.map(|row| FileState { hash: row.hash, stamp: String::new() });
            match (look(&path, id, known.as_ref(), &self.inner.defaults), known.is_some()) {
                (Looked::Different(difference), _) => differences.push(difference),
                (Looked::Gone(id), true) => gone.push(id),
                (Looked::Gone(_), false) => self.usable(&path),
                (Looked::Same, _) => {}
            }
        }
        Ok((self.apply(differences).await?, gone))
    }

    /// What is wrong with files that have no good revision to go on with.
    #[must_use]
    pub fn unusable_files(&self) -> Vec<String> {
        let unusable = self.inner.unusable.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        unusable.iter().map(|(path, why)| format!("`{}`: {why}", path.display())).collect()
    }

    async fn apply(&self, differences: impl IntoIterator<Item = Difference>) -> Result<Reconciled, JobsError> {
        let mut done = Reconciled::default();
        let (mut saves, mut touched) = (Vec::new(), Vec::new());
        for difference in differences {
            match difference {
                Difference::Touched { id, state } => touched.push(self.inner.store.note_file(id, state, None)),
                Difference::Valid { id, job, spec, text, state } => {
                    self.usable(&file::path_of(&self.inner.folder, id.as_str()));
                    self.inner.secrets.name(spec.secret_names());
                    let uid = JobUid::new(clock::new_id());
                    let save = SaveJob::new(uid, &job, spec_json(&spec), state, Author::File.as_str(), clock::now());
                    saves.push((save, text));
                }
                Difference::Invalid { id, error, state } => {
                    done.invalid += 1;
                    done.saved += usize::from(self.note_invalid(id, &error, state).await?);
                }
                Difference::Unusable { path, why } => {
                    done.invalid += 1;
                    self.unusable(path, why);
                }
            }
        }
        done.saved += saves.len();
        // Together, so that they share commits.
        try_join_all(touched).await?;
        self.save_all(saves).await?;
        if done != Reconciled::default() {
            self.changed();
            self.inner.wakes.dispatcher.notify_one();
        }
        Ok(done)
    }

    async fn save_all(&self, mut saves: Vec<(SaveJob, String)>) -> Result<(), JobsError> {
        let many = saves.len() > 1;
        while !saves.is_empty() {
            let batch: Vec<(SaveJob, String)> = saves.drain(..saves.len().min(BATCH)).collect();
            let (jobs, texts): (Vec<SaveJob>, Vec<String>) = batch.into_iter().unzip();
            let copies: Vec<_> =
                jobs.iter().map(|job| file::path_of(&self.inner.good, job.id.as_str())).zip(texts).collect();
            self.inner.store.save_jobs(jobs, clock::now()).await?;
            // Spare copies: of many at once none is worth a sync of its own.
            let write = move |(path, text): (PathBuf, String)| {
                if many { file::write_whole(&path, &text) } else { file::write_durably(&path, &text) }
            };
            let write_all = move || copies.into_iter().try_for_each(write);
            if let Ok(Err(error)) = crate::tasks::blocking(write_all).await {
                tracing::warn!(%error, "the spare copies of jobs under `revisions` cannot be written");
            }
        }
        Ok(())
    }

    /// Shows an invalid edit. Where the store has no good revision, one kept as a spare copy is taken: then `true`.
    async fn note_invalid(&self, id: JobId, error: &SpecError, state: FileState) -> Result<bool, JobsError> {
        let mut restored = false;
        tracing::warn!(job.id = %id, %error, "its file is not valid: the last good revision goes on");
        if self.inner.store.job(id.clone()).await?.is_none() {
            let good = file::read(&file::path_of(&self.inner.good, id.as_str())).ok();
            let parsed = good.and_then(|(text, state)| {
                let (spec, job) = parse(&id, &text, &self.inner.defaults).ok()?;
                Some((spec, job, state))
            });
            let Some((spec, job, good_state)) = parsed else {
                self.unusable(file::path_of(&self.inner.folder, id.as_str()), error.to_string());
                return Ok(false);
            };
            self.inner.secrets.name(spec.secret_names());
            let uid = JobUid::new(clock::new_id());
            let kept = FileState { hash: good_state.hash, stamp: String::new() };
            let save = SaveJob::new(uid, &job, spec_json(&spec), kept, Author::File.as_str(), clock::now());
            self.inner.store.save_jobs(vec![save], clock::now()).await?;
            restored = true;
        }
        let shown = serde_json::to_string(error).unwrap_or_else(|_| error.to_string());
        self.inner.store.note_file(id, state, Some(shown)).await?;
        Ok(restored)
    }

    fn unusable(&self, path: PathBuf, why: String) {
        tracing::warn!(path = %path.display(), %why, "not a job");
        self.inner.unusable.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(path, why);
    }

    fn usable(&self, path: &Path) {
        self.inner.unusable.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(path);
    }
}

/// Tells of every file that differs from what is known, as long as somebody listens. Returns the jobs whose files are gone.
fn scan(
    folder: &Path,
    mut known: HashMap<JobId, FileState>,
    defaults: &Defaults,
    found: &mpsc::Sender<Difference>,
) -> io::Result<Vec<JobId>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(id) = job_of(&path) else { continue };
        let state = id.as_ref().ok().and_then(|id| known.remove(id));
        match look(&path, id, state.as_ref(), defaults) {
            Looked::Different(difference) => {
                if found.blocking_send(difference).is_err() {
                    return Ok(Vec::new());
                }
            }
            Looked::Gone(id) => {
                // Listed a moment ago: it goes with those that are not listed.
                known.insert(id, state.unwrap_or_default());
            }
            Looked::Same => {}
        }
    }
    Ok(known.into_keys().collect())
}

enum Looked {
    Same,
    Gone(JobId),
    Different(Difference),
}

/// The id a job file's name gives, or why it gives none; `None` for a file that is no job file.
fn job_of(path: &Path) -> Option<Result<JobId, String>> {
    let name = path.file_name()?.to_string_lossy();
    if name.starts_with('.') {
        return None;
    }
    match path.extension()?.to_str()? {
        "yaml" => Some(
            path.file_stem()?.to_string_lossy().parse().map_err(|error: bog_domain::ids::IdError| error.to_string()),
        ),
        "yml" => Some(Err("job files end with `.yaml`: rename it".to_owned())),
        _ => None,
    }
}

fn look(path: &Path, id: Result<JobId, String>, known: Option<&FileState>, defaults: &Defaults) -> Looked {
    let unusable = |why: String| Looked::Different(Difference::Unusable { path: path.to_owned(), why });
    let id = match id {
        Ok(id) => id,
        Err(why) => return unusable(why),
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Looked::Gone(id),
        Err(error) => return unusable(error.to_string()),
    };
    if known.is_some_and(|known| known.stamp == file::stamp(&metadata)) {
        return Looked::Same;
    }
    let (text, mut state) = match file::read(path) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Looked::Gone(id),
        Err(error) => {
            let error = SpecError::new("", format!("the file cannot be read: {error}"));
            let state = FileState { hash: String::new(), stamp: String::new() };
            return Looked::Different(Difference::Invalid { id, error, state });
        }
    };
    if file::is_racy(&metadata, clock::now()) {
        state.stamp = String::new();
    }
    if known.is_some_and(|known| known.hash == state.hash) {
        return Looked::Different(Difference::Touched { id, state });
    }
    Looked::Different(match parse(&id, &text, defaults) {
        Ok((spec, job)) => Difference::Valid { id, job: Box::new(job), spec: Box::new(spec), text, state },
        Err(error) => Difference::Invalid { id, error, state },
    })
}

fn parse(id: &JobId, text: &str, defaults: &Defaults) -> Result<(JobSpec, Job), SpecError> {
    let spec = yaml::parse(text)?;
    let job = Job::parse(id.clone(), &spec, defaults).map_err(|error| error.located_in(text))?;
    Ok((spec, job))
}
