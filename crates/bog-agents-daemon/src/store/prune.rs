//! Forgetting what is old.

use super::rows::{ms, parsed};
use super::{Store, StoreError};
use bog_domain::ids::RunId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

/// Runs forgotten in one commit: others wait for it.
const RUNS_BATCH: u32 = 200;

/// Fires without a run forgotten in one commit.
const FIRES_BATCH: usize = 2000;

impl Store {
    /// Forgets finished runs that ended before `before`, with their fires, attempts, outputs and settled deliveries, and
    /// fires without a run that old. The newest finished run of each job stays, which templates call
    /// `last_run`, and the one that ended last, which says how the job stands. Returns the runs forgotten, at most a
    /// batch; none when there is no more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn prune(&self, before: Timestamp) -> Result<Vec<RunId>, StoreError> {
        while self.write(move |tx| forget_fires(tx, before)).await? == FIRES_BATCH {}
        self.write(move |tx| forget_runs(tx, before)).await
    }
}

fn forget_fires(tx: &Connection, before: Timestamp) -> Result<usize, StoreError> {
    let sql = "DELETE FROM fires WHERE seq IN (SELECT seq FROM fires WHERE run_id IS NULL AND seen_at < ?1 LIMIT ?2)";
    Ok(tx.prepare_cached(sql)?.execute(params![ms(before), FIRES_BATCH])?)
}

fn forget_runs(tx: &Connection, before: Timestamp) -> Result<Vec<RunId>, StoreError> {
    let sql = "DELETE FROM runs WHERE seq IN (\
                   SELECT r.seq FROM runs r WHERE r.finished_at < ?1 \
                     AND r.seq < (SELECT n.seq FROM runs n WHERE n.job_uid = r.job_uid AND n.finished_at IS NOT NULL \
                                  ORDER BY n.seq DESC LIMIT 1) \
                     AND NOT EXISTS (SELECT 1 FROM loads l WHERE l.job_uid = r.job_uid AND l.newest_end = r.seq) \
                     AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = r.id AND d.next_at IS NOT NULL) \
                   LIMIT ?2) RETURNING id";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params![ms(before), RUNS_BATCH], |row| parsed(row, 0))?;
    let runs = rows.collect::<Result<Vec<RunId>, _>>()?;
    for run in &runs {
        for table in ["fires", "attempts", "run_outputs", "deliveries", "usage"] {
            tx.prepare_cached(&format!("DELETE FROM {table} WHERE run_id = ?1"))?.execute([run.to_string()])?;
        }
    }
    Ok(runs)
}
