//! Cancelling: at once where nothing runs yet, else a durable wish that the dispatcher carries out.

use super::rows::{RunRow, ms};
use super::{Store, StoreError};
use bog_domain::ids::{JobUid, RunId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

/// What cancelling came to.
#[derive(Debug, Clone)]
pub enum Cancelled {
    /// It was waiting and is over now.
    Now,
    /// It runs and was asked to end.
    Asked(Box<RunRow>),
    /// It was over already.
    AlreadyFinished,
    /// There is no such run.
    NoSuchRun,
}

impl Store {
    /// Cancels a run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn cancel(&self, id: RunId, reason: String, now: Timestamp) -> Result<Cancelled, StoreError> {
        let reason = self.masked(reason);
        self.write(move |tx| {
            let text = id.to_string();
            if cancel_where(tx, "id = ?3", &text, &reason, now)? > 0 {
                return Ok(Cancelled::Now);
            }
            ask_where(tx, "id = ?1", &text, &reason)?;
            Ok(match super::query::run(tx, id)? {
                None => Cancelled::NoSuchRun,
                Some(run) if run.state == bog_domain::run::RunState::Running => Cancelled::Asked(Box::new(run)),
                Some(_) => Cancelled::AlreadyFinished,
            })
        })
        .await
    }

    /// Runs of this epoch that are running and were asked to end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn asked_to_end(&self) -> Result<Vec<(RunId, String)>, StoreError> {
        self.read(|tx| {
            let sql =
                "SELECT id, cancel FROM runs WHERE state = 'running' AND finished_at IS NULL AND cancel IS NOT NULL";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((super::rows::parsed(row, 0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Under `replace`, a new fire ends what runs and takes the place of what waits.
pub(super) fn replace_runs_of(tx: &Connection, job: JobUid, now: Timestamp) -> Result<(), StoreError> {
    cancel_all_of(tx, job, "replaced by a newer fire", now)
}

/// Cancels a job's waiting runs and asks its running ones to end.
pub(super) fn cancel_all_of(tx: &Connection, job: JobUid, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    let job = job.to_string();
    cancel_where(tx, "job_uid = ?3", &job, reason, now)?;
    ask_where(tx, "job_uid = ?1", &job, reason)
}

/// Ends a run that waits again although it was asked to end while it ran: nobody wants its next attempt.
pub(super) fn cancel_if_asked(tx: &Connection, run: RunId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE runs SET state = 'finished', outcome = 'cancelled', finished_at = ?2, error = cancel \
               WHERE id = ?1 AND state IN ('queued', 'paused') AND cancel IS NOT NULL";
    tx.prepare_cached(sql)?.execute(params![run.to_string(), ms(now)])?;
    Ok(())
}

fn cancel_where(tx: &Connection, which: &str, value: &str, reason: &str, now: Timestamp) -> Result<usize, StoreError> {
    let sql = format!(
        "UPDATE runs SET state = 'finished', outcome = 'cancelled', finished_at = ?1, cancel = ?2, error = ?2 \
         WHERE state IN ('queued', 'paused') AND finished_at IS NULL AND {which}"
    );
    Ok(tx.prepare_cached(&sql)?.execute(params![ms(now), reason, value])?)
}

fn ask_where(tx: &Connection, which: &str, value: &str, reason: &str) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE runs SET cancel = coalesce(cancel, ?2) WHERE state = 'running' AND finished_at IS NULL AND {which}"
    );
    tx.prepare_cached(&sql)?.execute(params![value, reason])?;
    Ok(())
}
