//! What `git_push` triggers remember of their repositories' refs, and the one step that records pushes and moves that
//! memory on.

use super::accept::{Accepted, Arrival, accept};
use super::rows::{ms, parsed};
use super::{Store, StoreError};
use bog_domain::git::{Move, Refs};
use bog_domain::ids::{JobId, JobUid, TriggerId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// A `git_push` trigger of an active job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitTrigger {
    /// The job's uid.
    pub job: JobUid,
    /// The job's id.
    pub job_id: JobId,
    /// The job's spec, as JSON text.
    pub spec: String,
    /// The trigger.
    pub trigger: TriggerId,
    /// What its memory is about.
    pub definition: String,
}

/// What a `git_push` trigger remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GitMemory {
    /// Whether all refs were seen once: a ref that is not in `refs` was not there then.
    pub begun: bool,
    /// Where each ref pointed when it was last dealt with.
    pub refs: Refs,
}

/// What is to be recorded of a trigger's repository.
#[derive(Debug, Clone)]
pub struct Pushes {
    /// The job.
    pub job: JobUid,
    /// The trigger.
    pub trigger: TriggerId,
    /// What its memory is about. Another one means that the trigger was changed meanwhile, and nothing is recorded.
    pub definition: String,
    /// What happened.
    pub news: News,
}

/// What was seen of a repository.
#[derive(Debug, Clone)]
pub enum News {
    /// All its refs for the first time: they are remembered, and nothing fires.
    FirstSight(Refs),
    /// Refs that have changed since they were remembered, each with its fire.
    Moved(Vec<(Move, Arrival)>),
}

impl Store {
    /// The `git_push` triggers of all active jobs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn git_triggers(&self) -> Result<Vec<GitTrigger>, StoreError> {
        self.read(|tx| {
            let sql = "SELECT t.job_uid, j.id, j.spec, t.id, t.definition \
                       FROM triggers t JOIN jobs j ON j.uid = t.job_uid WHERE t.kind = 'git_push' ORDER BY t.job_uid, t.id";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| {
                Ok(GitTrigger {
                    job: parsed(row, 0)?,
                    job_id: parsed(row, 1)?,
                    spec: row.get(2)?,
                    trigger: TriggerId::new(row.get::<_, String>(3)?),
                    definition: row.get(4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What a `git_push` trigger remembers.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn git_memory(&self, job: JobUid, trigger: TriggerId) -> Result<GitMemory, StoreError> {
        self.read(move |tx| {
            let begun = has_begun(tx, job, &trigger)?;
            let sql = "SELECT ref, sha FROM git_refs WHERE job_uid = ?1 AND trigger_id = ?2";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map(params![job.to_string(), trigger.as_str()], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            Ok(GitMemory { begun, refs: rows.collect::<Result<_, _>>()? })
        })
        .await
    }

    /// Records what was seen of a trigger's repository and moves its memory on, in one step. `None` when what was seen was
    /// compared with another memory than there is now; then nothing is recorded.
    ///
    /// # Errors
    /// When it cannot be written; then the memory stays where it was, and the next look finds the same.
    pub async fn record_pushes(&self, pushes: Pushes, now: Timestamp) -> Result<Option<Vec<Accepted>>, StoreError> {
        let news = match pushes.news {
            News::FirstSight(refs) => News::FirstSight(refs),
            News::Moved(moves) => {
                let masked = moves.into_iter().map(|(moved, arrival)| (moved, self.masked_arrival(arrival)));
                News::Moved(masked.collect())
            }
        };
        let pushes = Pushes { news, ..pushes };
        self.write(move |tx| {
            crate::failpoint::hit("store.record_pushes");
            record(tx, pushes, now)
        })
        .await
    }
}

fn has_begun(tx: &Connection, job: JobUid, trigger: &TriggerId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM git_memories WHERE job_uid = ?1 AND trigger_id = ?2";
    Ok(tx.prepare_cached(sql)?.exists(params![job.to_string(), trigger.as_str()])?)
}

fn record(tx: &Connection, pushes: Pushes, now: Timestamp) -> Result<Option<Vec<Accepted>>, StoreError> {
    let sql = "SELECT 1 FROM triggers WHERE job_uid = ?1 AND id = ?2 AND definition = ?3";
    let of = params![pushes.job.to_string(), pushes.trigger.as_str(), pushes.definition];
    if !tx.prepare_cached(sql)?.exists(of)? {
        return Ok(None);
    }
    let memory = Memory { tx, job: pushes.job.to_string(), trigger: pushes.trigger.as_str() };
    match pushes.news {
        News::FirstSight(_) if has_begun(tx, pushes.job, &pushes.trigger)? => Ok(None),
        News::FirstSight(refs) => {
            memory.begin(&refs, now)?;
            Ok(Some(Vec::new()))
        }
        News::Moved(moves) => {
            for (moved, _) in &moves {
                if memory.of(&moved.reference)?.as_deref() != moved.change.before() {
                    return Ok(None);
                }
            }
            let mut accepted = Vec::with_capacity(moves.len());
            for (moved, arrival) in moves {
                memory.set(&moved.reference, moved.change.after())?;
                accepted.push(accept(tx, arrival, now)?);
            }
            Ok(Some(accepted))
        }
    }
}

/// One trigger's memory.
struct Memory<'a> {
    tx: &'a Connection,
    job: String,
    trigger: &'a str,
}

impl Memory<'_> {
    fn begin(&self, refs: &Refs, now: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO git_memories (job_uid, trigger_id, began_at) VALUES (?1, ?2, ?3)";
        self.tx.prepare_cached(sql)?.execute(params![self.job, self.trigger, ms(now)])?;
        // A hook may have told of some before.
        let sql = "DELETE FROM git_refs WHERE job_uid = ?1 AND trigger_id = ?2";
        self.tx.prepare_cached(sql)?.execute(params![self.job, self.trigger])?;
        refs.iter().try_for_each(|(reference, sha)| self.set(reference, Some(sha)))
    }

    fn of(&self, reference: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT sha FROM git_refs WHERE job_uid = ?1 AND trigger_id = ?2 AND ref = ?3";
        let mut statement = self.tx.prepare_cached(sql)?;
        Ok(statement.query_row(params![self.job, self.trigger, reference], |row| row.get(0)).optional()?)
    }

    fn set(&self, reference: &str, sha: Option<&str>) -> Result<(), StoreError> {
        let Some(sha) = sha else {
            let sql = "DELETE FROM git_refs WHERE job_uid = ?1 AND trigger_id = ?2 AND ref = ?3";
            self.tx.prepare_cached(sql)?.execute(params![self.job, self.trigger, reference])?;
            return Ok(());
        };
        let sql = "INSERT INTO git_refs (job_uid, trigger_id, ref, sha) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT DO UPDATE SET sha = ?4";
        self.tx.prepare_cached(sql)?.execute(params![self.job, self.trigger, reference, sha])?;
        Ok(())
    }
}
