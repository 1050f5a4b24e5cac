//! Jobs: saved, deleted, and what is known of their files.

use super::cancel::cancel_all_of;
use super::rows::{JobRow, ms};
use super::{Answer, Store, StoreError};
use bog_domain::fire::TriggerKind;
use bog_domain::ids::{JobId, JobUid, TriggerId};
use bog_domain::job::Job;
use bog_domain::overlap::Overlap;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// A job to be saved: the valid form, the spec as JSON, and the file both came from.
#[derive(Debug, Clone)]
pub struct SaveJob {
    /// Taken if the job is new.
    pub uid: JobUid,
    /// The job's id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// The spec, as JSON text.
    pub spec: String,
    /// Whether its triggers fire.
    pub enabled: bool,
    /// The overlap policy of fires by hand.
    pub overlap: Overlap,
    /// Runs at the same time.
    pub max_parallel: u32,
    /// Runs that may wait.
    pub max_queued: u32,
    /// Runs after which it takes no more fires.
    pub max_runs: u64,
    /// Its triggers.
    pub triggers: Vec<NewTrigger>,
    /// The file it came from.
    pub file: FileState,
    /// `cli`, `api` or `file`.
    pub author: &'static str,
}

/// A trigger of a job to be saved.
#[derive(Debug, Clone)]
pub struct NewTrigger {
    /// Its id.
    pub id: TriggerId,
    /// Its kind.
    pub kind: TriggerKind,
    /// Its overlap policy.
    pub overlap: Overlap,
    /// What its memory is about.
    pub definition: String,
    /// Its first slot if it begins now.
    pub next_at: Option<Timestamp>,
    /// The path that the requests come to that fire it.
    pub route: Option<String>,
    /// The name of the secret without which they are refused.
    pub secret: Option<String>,
}

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileState {
    /// Digest of its content.
    pub hash: String,
    /// Its size and times, to tell cheaply that it has not changed.
    pub stamp: String,
}

/// What saving did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// The job is new.
    Created {
        /// Its uid.
        uid: JobUid,
    },
    /// The job has a new revision.
    Revised {
        /// Its uid.
        uid: JobUid,
        /// The new revision.
        revision: u32,
    },
    /// The spec was the same.
    Unchanged {
        /// Its uid.
        uid: JobUid,
        /// The revision it has.
        revision: u32,
    },
}

impl Saved {
    /// The job's uid and revision.
    #[must_use]
    pub const fn revision(self) -> (JobUid, u32) {
        match self {
            Self::Created { uid } => (uid, 1),
            Self::Revised { uid, revision } | Self::Unchanged { uid, revision } => (uid, revision),
        }
    }
}

impl SaveJob {
    /// Makes one from a valid job. `now` is when triggers that are new begin.
    #[must_use]
    pub fn new(uid: JobUid, job: &Job, spec: String, file: FileState, author: &'static str, now: Timestamp) -> Self {
        let trigger = |trigger: &bog_domain::job::Trigger| NewTrigger {
            id: trigger.id.clone(),
            kind: trigger.kind,
            overlap: trigger.overlap,
            definition: trigger.definition.clone(),
            next_at: trigger.first_wake(uid, now),
            route: trigger.hook.as_ref().map(|hook| hook.path().to_owned()),
            secret: trigger.hook.as_ref().and_then(|hook| hook.secrets().first().cloned()),
        };
        Self {
            uid,
            id: job.id.clone(),
            name: job.name.clone(),
            spec,
            enabled: job.enabled,
            overlap: job.manual_overlap,
            max_parallel: job.max_parallel,
            max_queued: job.max_queued,
            max_runs: job.max_runs,
            triggers: job.triggers.iter().map(trigger).collect(),
            file,
            author,
        }
    }
}

impl Store {
    /// Saves one job as [`Store::save_jobs`] does, and keeps the answer to the request that asked for it.
    ///
    /// # Errors
    /// When it cannot be written; then nothing is.
    pub async fn save_job(&self, job: SaveJob, answer: Option<Answer>, now: Timestamp) -> Result<Saved, StoreError> {
        self.write(move |tx| {
            crate::failpoint::hit("store.save_job");
            let saved = save(tx, &job, now)?;
            if let Some(answer) = answer {
                super::answers::keep(tx, &Answer { response: job.id.to_string(), ..answer }, now)?;
            }
            Ok(saved)
        })
        .await
    }

    /// Saves jobs, each as a new revision where its spec differs from the active one. Triggers keep their memory as
    /// long as their definition is the same; new and changed ones begin now.
    ///
    /// # Errors
    /// When they cannot be written; then none is.
    pub async fn save_jobs(&self, jobs: Vec<SaveJob>, now: Timestamp) -> Result<Vec<Saved>, StoreError> {
        self.write(move |tx| jobs.iter().map(|job| save(tx, job, now)).collect()).await
    }

    /// Marks a job deleted: its triggers are forgotten, its waiting runs cancelled, its running ones asked to end. Its
    /// fires and runs stay in the ledger. `false` when there is no such job.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn delete_job(&self, id: JobId, now: Timestamp) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let Some(uid) = live_uid(tx, &id)? else { return Ok(false) };
            let uid_text = uid.to_string();
            tx.prepare_cached("UPDATE jobs SET deleted_at = ?2 WHERE uid = ?1")?.execute(params![uid_text, ms(now)])?;
            tx.prepare_cached("DELETE FROM triggers WHERE job_uid = ?1")?.execute([&uid_text])?;
            cancel_all_of(tx, uid, "the job was deleted", now)?;
            Ok(true)
        })
        .await
    }

    /// Notes that a job's file has an edit that is not valid (`Some`, as JSON text), or that it has none.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn note_file(&self, id: JobId, file: FileState, invalid: Option<String>) -> Result<(), StoreError> {
        let invalid = invalid.map(|error| self.secrets.masked_json(error));
        self.write(move |tx| {
            let sql = "UPDATE jobs SET stamp = ?2, invalid = ?3 WHERE id = ?1 AND deleted_at IS NULL";
            tx.prepare_cached(sql)?.execute(params![id.as_str(), file.stamp, invalid])?;
            Ok(())
        })
        .await
    }

    /// The active job of an id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        self.read(move |tx| super::query::job(tx, "j.id = ?1 AND j.deleted_at IS NULL", id.as_str())).await
    }

    /// The uid of the active job of an id: all that firing it by hand needs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn uid(&self, id: JobId) -> Result<Option<JobUid>, StoreError> {
        self.read(move |tx| live_uid(tx, &id)).await
    }

    /// What is known of every active job's file, by id.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn files(&self) -> Result<Vec<(JobId, FileState)>, StoreError> {
        self.read(|tx| {
            let mut statement = tx.prepare_cached("SELECT id, hash, stamp FROM jobs WHERE deleted_at IS NULL")?;
            let rows = statement.query_map([], |row| {
                Ok((super::rows::parsed(row, 0)?, FileState { hash: row.get(1)?, stamp: row.get(2)? }))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn live_uid(tx: &Connection, id: &JobId) -> Result<Option<JobUid>, StoreError> {
    let sql = "SELECT uid FROM jobs WHERE id = ?1 AND deleted_at IS NULL";
    Ok(tx.prepare_cached(sql)?.query_row([id.as_str()], |row| super::rows::parsed(row, 0)).optional()?)
}

fn save(tx: &Connection, job: &SaveJob, now: Timestamp) -> Result<Saved, StoreError> {
    let sql = "SELECT uid, revision, spec FROM jobs WHERE id = ?1 AND deleted_at IS NULL";
    let existing: Option<(JobUid, u32, String)> = tx
        .prepare_cached(sql)?
        .query_row([job.id.as_str()], |row| Ok((super::rows::parsed(row, 0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let saved = match existing {
        None => Saved::Created { uid: job.uid },
        Some((uid, revision, spec)) if spec == job.spec => Saved::Unchanged { uid, revision },
        Some((uid, revision, _)) => Saved::Revised { uid, revision: revision + 1 },
    };
    let (uid, revision) = saved.revision();
    write_row(tx, job, uid, revision, now)?;
    if !matches!(saved, Saved::Unchanged { .. }) {
        let sql = "INSERT INTO revisions (job_uid, revision, author, created_at, spec) VALUES (?1, ?2, ?3, ?4, ?5)";
        tx.prepare_cached(sql)?.execute(params![uid.to_string(), revision, job.author, ms(now), job.spec])?;
    }
    write_triggers(tx, uid, &job.triggers, now)?;
    Ok(saved)
}

fn write_row(tx: &Connection, job: &SaveJob, uid: JobUid, revision: u32, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT INTO jobs (uid, id, revision, name, spec, enabled, overlap, max_parallel, max_queued, max_runs, \
                                 hash, stamp, created_at, updated_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13) \
               ON CONFLICT (uid) DO UPDATE SET \
                   revision = ?3, name = ?4, spec = ?5, enabled = ?6, overlap = ?7, max_parallel = ?8, max_queued = ?9, \
                   max_runs = ?10, hash = ?11, stamp = ?12, invalid = NULL, \
                   updated_at = CASE WHEN revision = ?3 THEN updated_at ELSE ?13 END";
    tx.prepare_cached(sql)?.execute(params![
        uid.to_string(),
        job.id.as_str(),
        revision,
        job.name,
        job.spec,
        job.enabled,
        job.overlap.as_str(),
        job.max_parallel,
        job.max_queued,
        job.max_runs,
        job.file.hash,
        job.file.stamp,
        ms(now),
    ])?;
    Ok(())
}

fn write_triggers(tx: &Connection, uid: JobUid, triggers: &[NewTrigger], now: Timestamp) -> Result<(), StoreError> {
    let uid = uid.to_string();
    let ids: Vec<&str> = triggers.iter().map(|trigger| trigger.id.as_str()).collect();
    let sql = "DELETE FROM triggers WHERE job_uid = ?1 AND id NOT IN (SELECT value FROM json_each(?2))";
    tx.prepare_cached(sql)?.execute(params![uid, serde_json::to_string(&ids)?])?;
    let sql = "INSERT INTO triggers (job_uid, id, kind, overlap, definition, activated_at, cursor_at, next_at, route, secret) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9) \
               ON CONFLICT DO UPDATE SET \
                   overlap = ?4, kind = ?3, route = ?8, secret = ?9, \
                   activated_at = CASE WHEN definition = ?5 THEN activated_at ELSE ?6 END, \
                   cursor_at = CASE WHEN definition = ?5 THEN cursor_at ELSE ?6 END, \
                   next_at = CASE WHEN definition = ?5 THEN next_at ELSE ?7 END, \
                   definition = ?5";
    for trigger in triggers {
        tx.prepare_cached(sql)?.execute(params![
            uid,
            trigger.id.as_str(),
            trigger.kind.as_str(),
            trigger.overlap.as_str(),
            trigger.definition,
            ms(now),
            trigger.next_at.map(ms),
            trigger.route,
            trigger.secret,
        ])?;
    }
    Ok(())
}
