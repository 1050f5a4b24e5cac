//! Forgetting what is old.

use super::rows::{ms, parsed};
use super::{Store, StoreError};
use bog_domain::ids::RunId;
use jiff::Timestamp;
use rusqlite::params;

/// Runs forgotten in one commit.
const BATCH: u32 = 200;

impl Store {
    /// Forgets finished runs that ended before `before`, with their fires, attempts, outputs and settled deliveries, and
    /// fires without a run that old. The newest run of each job stays: its templates call it `last_run`. Returns the
    /// runs forgotten, at most a batch; none when there is no more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn prune(&self, before: Timestamp) -> Result<Vec<RunId>, StoreError> {
        self.write(move |tx| {
            tx.prepare_cached("DELETE FROM fires WHERE run_id IS NULL AND seen_at < ?1")?.execute([ms(before)])?;
            let sql = "DELETE FROM runs WHERE seq IN (\
                           SELECT r.seq FROM runs r WHERE r.state = 'finished' AND r.finished_at < ?1 \
                             AND r.seq < (SELECT max(n.seq) FROM runs n WHERE n.job_uid = r.job_uid) \
                             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = r.id AND d.next_at IS NOT NULL) \
                           LIMIT ?2) RETURNING id";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map(params![ms(before), BATCH], |row| parsed(row, 0))?;
            let runs = rows.collect::<Result<Vec<RunId>, _>>()?;
            for run in &runs {
                for table in ["fires", "attempts", "run_outputs", "deliveries"] {
                    tx.prepare_cached(&format!("DELETE FROM {table} WHERE run_id = ?1"))?.execute([run.to_string()])?;
                }
            }
            Ok(runs)
        })
        .await
    }
}
