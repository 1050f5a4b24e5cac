//! Forgetting what is old.

use super::rows::{ms, parsed};
use super::{Store, StoreError};
use bog_domain::ids::{JobUid, RunId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

/// Runs forgotten in one commit: others wait for it.
const RUNS_BATCH: u32 = 200;

/// Fires without a run forgotten in one commit, and closed gates.
const FIRES_BATCH: usize = 2000;

impl Store {
    /// Forgets finished runs that ended before `before`, with their fires, attempts, outputs and settled deliveries, and
    /// fires without a run and closed gates that old. The newest finished run of each job stays, which templates call
    /// `last_run`, and the one that ended last, which says how the job stands; and so does what came under a delivery id at
    /// or after `remembered`, so that it is known again. Returns the runs forgotten, at most a
    /// batch; none when there is no more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn prune(&self, before: Timestamp, remembered: Timestamp) -> Result<Vec<RunId>, StoreError> {
        while self.write(move |tx| forget_fires(tx, before, remembered)).await? == FIRES_BATCH {}
        while self.write(move |tx| forget_closed_gates(tx, before)).await? == FIRES_BATCH {}
        self.write(move |tx| forget_deleted_jobs(tx, before)).await?;
        self.write(move |tx| forget_runs(tx, before, remembered)).await
    }

    /// The jobs that were deleted before `before` and of which no run is under way or waits.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn gone_jobs(&self, before: Timestamp) -> Result<Vec<JobUid>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT j.uid FROM jobs j INDEXED BY jobs_gone WHERE j.deleted_at < ?1 \
                       AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.job_uid = j.uid AND r.finished_at IS NULL)";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([ms(before)], |row| parsed(row, 0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Fires by HTTP whose delivery id is still to be known again.
const REMEMBERED: &str = "f.kind IN ('webhook', 'github') AND f.dedupe_key IS NOT NULL AND f.seen_at >= ?3";

fn forget_fires(tx: &Connection, before: Timestamp, remembered: Timestamp) -> Result<usize, StoreError> {
    let sql = format!(
        "DELETE FROM fires WHERE seq IN (\
             SELECT f.seq FROM fires f WHERE f.run_id IS NULL AND f.seen_at < ?1 AND NOT ({REMEMBERED}) LIMIT ?2)"
    );
    Ok(tx.prepare_cached(&sql)?.execute(params![ms(before), FIRES_BATCH, ms(remembered)])?)
}

fn forget_closed_gates(tx: &Connection, before: Timestamp) -> Result<usize, StoreError> {
    let sql = "DELETE FROM closed_gates WHERE (run_id, attempt) IN (\
                   SELECT run_id, attempt FROM closed_gates WHERE ended_at < ?1 LIMIT ?2)";
    Ok(tx.prepare_cached(sql)?.execute(params![ms(before), FIRES_BATCH])?)
}

/// What was remembered for the next delivery of jobs that are gone.
fn forget_deleted_jobs(tx: &Connection, before: Timestamp) -> Result<(), StoreError> {
    for table in ["told", "incidents"] {
        let sql = format!(
            "DELETE FROM {table} WHERE job_uid IN (SELECT uid FROM jobs INDEXED BY jobs_gone WHERE deleted_at < ?1)"
        );
        tx.prepare_cached(&sql)?.execute([ms(before)])?;
    }
    Ok(())
}

fn forget_runs(tx: &Connection, before: Timestamp, remembered: Timestamp) -> Result<Vec<RunId>, StoreError> {
    let sql = format!(
        "DELETE FROM runs WHERE seq IN (\
                   SELECT r.seq FROM runs r WHERE r.finished_at < ?1 \
                     AND r.seq < (SELECT n.seq FROM runs n WHERE n.job_uid = r.job_uid AND n.finished_at IS NOT NULL \
                                  ORDER BY n.seq DESC LIMIT 1) \
                     AND NOT EXISTS (SELECT 1 FROM loads l WHERE l.job_uid = r.job_uid AND l.newest_end = r.seq) \
                     AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = r.id AND d.next_at IS NOT NULL) \
                     AND NOT EXISTS (SELECT 1 FROM fires f WHERE f.run_id = r.id AND {REMEMBERED}) \
                   LIMIT ?2) RETURNING id"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![ms(before), RUNS_BATCH, ms(remembered)], |row| parsed(row, 0))?;
    let runs = rows.collect::<Result<Vec<RunId>, _>>()?;
    for run in &runs {
        for table in ["fires", "attempts", "run_outputs", "deliveries", "usage"] {
            tx.prepare_cached(&format!("DELETE FROM {table} WHERE run_id = ?1"))?.execute([run.to_string()])?;
        }
    }
    Ok(runs)
}
