//! What targets said of what they were given before.

use super::{Store, StoreError};
use bog_domain::ids::JobUid;
use rusqlite::{OptionalExtension, params};

/// How many runs it looks back.
const LAST_RUNS: u32 = 1000;

impl Store {
    /// The receipt of the newest delivery among the job's last runs that this target took, where it gave one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn last_receipt(&self, job: JobUid, target: String) -> Result<Option<String>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT d.receipt FROM (SELECT id, seq FROM runs WHERE job_uid = ?1 ORDER BY seq DESC LIMIT ?3) r \
                       JOIN deliveries d ON d.run_id = r.id \
                       WHERE d.target = ?2 AND d.state = 'delivered' AND d.receipt IS NOT NULL \
                       ORDER BY r.seq DESC LIMIT 1";
            let found = tx.prepare_cached(sql)?.query_row(params![job.to_string(), target, LAST_RUNS], |row| row.get(0));
            Ok(found.optional()?)
        })
        .await
    }
}
