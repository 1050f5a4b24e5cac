//! Attempts that were under way at some time: whoever sees something change asks them whether it was their doing.

use super::rows::{optional_time, parsed, time};
use super::{Store, StoreError};
use bog_domain::files::Window;
use bog_domain::fire::Cause;
use bog_domain::ids::{JobId, JobUid, RunId};
use jiff::Timestamp;
use rusqlite::params;

/// Attempts looked at, the newest runs first: more are not under way at any one time.
const MOST: u32 = 1_000;

/// An attempt of a run.
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
}

impl Store {
    /// The attempts that are under way, and those of runs that ended at `since` or later or wait for another attempt.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn under_way_since(&self, since: Timestamp) -> Result<Vec<UnderWay>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT r.id, r.job_uid, r.job_id, v.spec, a.started_at, a.finished_at, r.fire_id, \
                              (SELECT max(f.depth) FROM fires f WHERE f.run_id = r.id) \
                       FROM runs r JOIN attempts a ON a.run_id = r.id \
                                   JOIN revisions v ON v.job_uid = r.job_uid AND v.revision = r.revision \
                       WHERE r.seq IN (SELECT seq FROM runs WHERE state = 'running' AND finished_at IS NULL \
                                       UNION ALL SELECT seq FROM runs WHERE state = 'queued' AND not_before > 0 \
                                       UNION ALL SELECT seq FROM runs WHERE finished_at >= ?1) \
                       ORDER BY r.seq DESC LIMIT ?2";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map(params![since.as_millisecond(), MOST], |row| {
                let window = Window { from: time(row, 4)?, until: optional_time(row, 5)? };
                let depth: Option<u32> = row.get(7)?;
                Ok(UnderWay {
                    run: parsed(row, 0)?,
                    job: parsed(row, 1)?,
                    job_id: parsed(row, 2)?,
                    spec: row.get(3)?,
                    window,
                    cause: Cause::of_run(parsed(row, 6)?, depth.unwrap_or(0)),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
