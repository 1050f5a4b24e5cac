//! Incidents: jobs whose fires a loop breaker holds. They follow from the ledger and are kept nowhere else.

use super::rows::{ms, parsed, time};
use super::{Store, StoreError};
use bog_domain::ids::JobId;
use jiff::{SignedDuration, Timestamp};
use rusqlite::params;

/// How long after its last blocked fire a job counts as one in a loop.
const OPEN_FOR: SignedDuration = SignedDuration::from_hours(1);

/// A job whose fires were blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// The job.
    pub job: JobId,
    /// Fires that were blocked.
    pub blocked: u64,
    /// The last of them.
    pub last_at: Timestamp,
    /// Why that was.
    pub reason: String,
}

impl Store {
    /// The jobs that are in a loop: fires of theirs were blocked within the last hour, and they were not changed since.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn incidents(&self, now: Timestamp) -> Result<Vec<Incident>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT j.id, count(*), max(f.seen_at), f.reason \
                       FROM fires f JOIN jobs j ON j.uid = f.job_uid \
                       WHERE f.disposition = 'blocked' AND f.seen_at > ?1 AND f.seen_at >= j.updated_at \
                         AND j.deleted_at IS NULL \
                       GROUP BY j.id ORDER BY j.id";
            let mut statement = tx.prepare_cached(sql)?;
            let since = now.saturating_sub(OPEN_FOR).unwrap_or(Timestamp::MIN);
            let rows = statement.query_map(params![ms(since)], |row| {
                Ok(Incident {
                    job: parsed(row, 0)?,
                    blocked: row.get(1)?,
                    last_at: time(row, 2)?,
                    reason: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
