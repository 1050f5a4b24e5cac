//! The end of a gate: its run goes on to its agent, or there is no run after all. Either is one commit.

use super::finish::end_of_attempt;
use super::rows::ms;
use super::{AttemptEnd, Store, StoreError};
use bog_domain::fire::Disposition;
use bog_domain::ids::RunId;
use rusqlite::{Connection, OptionalExtension, params};

impl Store {
    /// What the gate of a run said; `None` while it has not been passed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn gate_of(&self, run: RunId) -> Result<Option<String>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT gate FROM runs WHERE id = ?1";
            let found = tx.prepare_cached(sql)?.query_row([run.to_string()], |row| row.get(0));
            Ok(found.optional()?.flatten())
        })
        .await
    }
}

/// The run waits for its agent. The gate's attempt costs none of those that it may have.
pub(super) fn open(tx: &Connection, end: &AttemptEnd, said: &str) -> Result<bool, StoreError> {
    let sql = "UPDATE runs SET state = 'queued', not_before = 0, max_attempts = max_attempts + 1, gate = ?4 \
               WHERE id = ?1 AND attempt = ?2 AND epoch = ?3 AND state = 'running'";
    let id = end.claim.run.to_string();
    let changed = tx.prepare_cached(sql)?.execute(params![id, end.claim.attempt, end.claim.epoch, said])?;
    if changed == 1 {
        end_of_attempt(tx, end)?;
        super::cancel::cancel_if_asked(tx, end.claim.run, end.finished_at)?;
    }
    Ok(changed == 1)
}

/// There is no run: its fires were skipped. When it was under way is kept, as it may have written something.
pub(super) fn close(tx: &Connection, end: &AttemptEnd, reason: &str) -> Result<bool, StoreError> {
    keep_windows(tx, end)?;
    let sql = "DELETE FROM runs WHERE id = ?1 AND attempt = ?2 AND epoch = ?3 AND state = 'running'";
    let id = end.claim.run.to_string();
    let changed = tx.prepare_cached(sql)?.execute(params![id, end.claim.attempt, end.claim.epoch])?;
    if changed == 1 {
        for table in ["attempts", "run_outputs"] {
            tx.prepare_cached(&format!("DELETE FROM {table} WHERE run_id = ?1"))?.execute([&id])?;
        }
        let sql = "UPDATE fires SET disposition = ?2, reason = ?3, run_id = NULL, seen_at = max(seen_at, ?4) \
                   WHERE run_id = ?1";
        let skipped = Disposition::Skipped.as_str();
        tx.prepare_cached(sql)?.execute(params![id, skipped, reason, ms(end.finished_at)])?;
        super::orphans::add(tx, end.left_behind, end.finished_at)?;
    }
    Ok(changed == 1)
}

fn keep_windows(tx: &Connection, end: &AttemptEnd) -> Result<(), StoreError> {
    let sql = "INSERT INTO closed_gates (run_id, attempt, job_uid, job_id, revision, kind, fire_id, depth, \
                                         started_at, ended_at) \
               SELECT r.id, a.attempt, r.job_uid, r.job_id, r.revision, r.kind, r.fire_id, \
                      coalesce((SELECT max(f.depth) FROM fires f WHERE f.run_id = r.id), 0), \
                      a.started_at, coalesce(a.finished_at, ?4) \
               FROM runs r JOIN attempts a ON a.run_id = r.id \
               WHERE r.id = ?1 AND r.attempt = ?2 AND r.epoch = ?3 AND r.state = 'running'";
    let id = end.claim.run.to_string();
    let values = params![id, end.claim.attempt, end.claim.epoch, ms(end.finished_at)];
    tx.prepare_cached(sql)?.execute(values)?;
    Ok(())
}
