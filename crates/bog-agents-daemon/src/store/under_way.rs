//! What was under way at some time: whoever sees something change asks whether it was the doing of an attempt, or of a
//! delivery to a file. It says so of everything that happened, whatever became of its run since.

use super::rows::{optional_time, parsed, time, word};
use super::{Store, StoreError};
use bog_domain::files::Window;
use bog_domain::fire::{Cause, TriggerKind};
use bog_domain::ids::{JobId, JobUid, RunId};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql, params};
use std::path::PathBuf;

/// Of what is over, so many are looked at, those that ended last first. What is not over is looked at whole.
const MOST: u32 = 1_000;

/// An attempt of a run, or of a gate.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// The run.
    pub run: RunId,
    /// The job's uid.
    pub job: JobUid,
    /// The job's id.
    pub job_id: JobId,
    /// The spec of the revision it runs, as JSON text.
    pub spec: String,
    /// From when until when.
    pub window: Window,
    /// The cause of whatever it causes.
    pub cause: Cause,
    /// What fired it, or the first of what did.
    pub kind: TriggerKind,
}

/// A delivery to a file.
#[derive(Debug, Clone)]
pub struct FileDelivery {
    /// The job's uid.
    pub job: JobUid,
    /// The file, as it was named by each attempt; more than one where its name has the time in it.
    pub files: Vec<PathBuf>,
    /// From when it was due until the end of its last attempt.
    pub window: Window,
    /// The cause of whatever it causes.
    pub cause: Cause,
}

impl Store {
    /// The attempts that are under way, and those that ended at `since` or later.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn under_way_since(&self, since: Timestamp) -> Result<Vec<UnderWay>, StoreError> {
        self.read(move |tx| {
            const DEPTH: &str = "(SELECT max(f.depth) FROM fires f WHERE f.run_id = r.id)";
            const REVISION: &str = "JOIN revisions v ON v.job_uid = r.job_uid AND v.revision = r.revision";
            let running = format!(
                "SELECT r.id, r.job_uid, r.job_id, v.spec, a.started_at, a.finished_at, r.fire_id, {DEPTH}, r.kind \
                 FROM runs r JOIN attempts a ON a.run_id = r.id AND a.attempt = r.attempt {REVISION} \
                 WHERE r.state = 'running' AND r.finished_at IS NULL"
            );
            let ended = format!(
                "SELECT r.id, r.job_uid, r.job_id, v.spec, a.started_at, a.finished_at, r.fire_id, {DEPTH}, r.kind \
                 FROM attempts a JOIN runs r ON r.id = a.run_id {REVISION} \
                 WHERE a.finished_at >= ?1 ORDER BY a.finished_at DESC LIMIT ?2"
            );
            let gates = format!(
                "SELECT r.run_id, r.job_uid, r.job_id, v.spec, r.started_at, r.ended_at, r.fire_id, r.depth, r.kind \
                 FROM closed_gates r {REVISION} WHERE r.ended_at >= ?1 ORDER BY r.ended_at DESC LIMIT ?2"
            );
            let mut found = attempts(tx, &running, params![])?;
            for sql in [ended, gates] {
                found.extend(attempts(tx, &sql, params![since.as_millisecond(), MOST])?);
            }
            Ok(found)
        })
        .await
    }

    /// The deliveries to files that may be under way at `now`, and those that were attempted at `since` or later.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn file_deliveries_since(
        &self,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<FileDelivery>, StoreError> {
        self.read(move |tx| {
            const FIELDS: &str = "r.job_uid, iif(json_valid(d.intent), json_extract(d.intent, '$.path'), NULL), d.receipt, \
                                  d.begun_at, iif(d.next_at <= ?1 AND d.next_at IS NOT NULL, NULL, d.updated_at), r.fire_id, \
                                  (SELECT max(f.depth) FROM fires f WHERE f.run_id = r.id)";
            let open = format!(
                "SELECT {FIELDS} FROM deliveries d JOIN runs r ON r.id = d.run_id \
                 WHERE d.host >= 'file:' AND d.host < 'file;' AND d.next_at IS NOT NULL AND d.turn <> 1"
            );
            let settled = format!(
                "SELECT {FIELDS} FROM deliveries d JOIN runs r ON r.id = d.run_id \
                 WHERE d.next_at IS NULL AND d.host GLOB 'file:*' AND d.updated_at >= ?2 \
                 ORDER BY d.updated_at DESC LIMIT ?3"
            );
            let (now, since) = (now.as_millisecond(), since.as_millisecond());
            let mut found = deliveries(tx, &open, params![now])?;
            found.extend(deliveries(tx, &settled, params![now, since, MOST])?);
            // Nothing was written where nothing was about to be.
            found.retain(|delivery| !delivery.files.is_empty());
            Ok(found)
        })
        .await
    }
}

fn attempts(tx: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<UnderWay>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| {
        Ok(UnderWay {
            run: parsed(row, 0)?,
            job: parsed(row, 1)?,
            job_id: parsed(row, 2)?,
            spec: row.get(3)?,
            window: window(row, 4)?,
            cause: cause(row, 6)?,
            kind: word(row, 8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn deliveries(tx: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<FileDelivery>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| {
        let named: [Option<String>; 2] = [row.get(1)?, row.get(2)?];
        let mut files: Vec<PathBuf> = named.into_iter().flatten().map(PathBuf::from).collect();
        files.dedup();
        Ok(FileDelivery { job: parsed(row, 0)?, files, window: window(row, 3)?, cause: cause(row, 5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn window(row: &Row<'_>, column: usize) -> rusqlite::Result<Window> {
    Ok(Window { from: time(row, column)?, until: optional_time(row, column + 1)? })
}

/// Of a fire and its run's depth.
fn cause(row: &Row<'_>, column: usize) -> rusqlite::Result<Cause> {
    let depth: Option<u32> = row.get(column + 1)?;
    Ok(Cause::of_run(parsed(row, column)?, depth.unwrap_or(0)))
}
