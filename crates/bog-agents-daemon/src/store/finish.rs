//! The end of an attempt: its outcome and what follows from it, in one commit.

use super::rows::{ms, optional_document};
use super::{Claim, OUTPUT_HEAD, Store, StoreError};
use bog_domain::agent_end::ModelUsage;
use bog_domain::containment::{Containment, LimitHit};
use bog_domain::delivery::Purpose;
use bog_domain::ids::{DeliveryId, RunId};
use bog_domain::run::{Outcome, Usage};
use bog_domain::spec::OutputSpec;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// Whose attempt it is.
    pub claim: Claim,
    /// How it ended.
    pub outcome: Outcome,
    /// The agent's exit code.
    pub exit_code: Option<i32>,
    /// What went wrong.
    pub error: Option<String>,
    /// What the agent said.
    pub output: String,
    /// Whether it said more than is kept.
    pub output_truncated: bool,
    /// What it consumed.
    pub usage: Usage,
    /// What its run has used of models in all, earlier attempts included.
    pub models: Vec<ModelUsage>,
    /// What it was held by; `None` where its agent was not started.
    pub containment: Option<Containment>,
    /// The limit that ended it, where its outcome is that it exceeded one.
    pub limit: Option<LimitHit>,
    /// Processes that its runner had left behind, and that were ended for it.
    pub left_behind: u64,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What follows.
    pub then: Ended,
}

/// What follows the end of an attempt.
#[derive(Debug, Clone)]
pub enum Ended {
    /// The run is over; these are its deliveries.
    Finished(Vec<NewDelivery>),
    /// It was the attempt of its run's gate, which is open: the run waits for its agent, and templates see what it said.
    GateOpen {
        /// What it said.
        said: String,
    },
    /// It was the attempt of its run's gate, which is closed: there is no run any more, and its fires were skipped.
    GateClosed {
        /// Why.
        reason: String,
    },
    /// The run waits for its next attempt; if it was asked to end, it is over instead.
    Retry {
        /// Not before.
        not_before: Timestamp,
    },
    /// The run waits for a person to say that it may cost more; the attempt costs no retry. If it was asked to end, it is
    /// over instead.
    Paused,
}

/// A delivery to be made.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Why. One that alerts is made only if the job begins to fail, one that tells of its recovery only if it did.
    pub purpose: Purpose,
    /// Its position among the job's outputs, or among those that are told of failing jobs.
    pub position: u32,
    /// The target as written.
    pub spec: OutputSpec,
}

impl Store {
    /// Records the end of an attempt and what follows from it. `false` when the claim is stale or the end was
    /// recorded before: then nothing changes.
    ///
    /// # Errors
    /// When it cannot be written; then the outcome is still in the attempt's folder.
    pub async fn finish(&self, end: AttemptEnd) -> Result<bool, StoreError> {
        let end = self.masked_end(end);
        self.write(move |tx| {
            crate::failpoint::hit("store.finish");
            finish(tx, &end)
        })
        .await
    }

    /// The whole kept output of a run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn output(&self, run: RunId) -> Result<Option<String>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT coalesce(o.output, r.output) FROM runs r LEFT JOIN run_outputs o ON o.run_id = r.id \
                       WHERE r.id = ?1";
            let mut statement = tx.prepare_cached(sql)?;
            let mut rows = statement.query([run.to_string()])?;
            Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
        })
        .await
    }

    /// What the last attempt of a run that ended was held by; `None` where no attempt has ended, its agent was not
    /// started, or it was recorded before this was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn containment(&self, run: RunId) -> Result<Option<Containment>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT containment FROM attempts WHERE run_id = ?1 AND outcome IS NOT NULL \
                       ORDER BY attempt DESC LIMIT 1";
            let found = tx.prepare_cached(sql)?.query_row([run.to_string()], |row| optional_document(row, 0));
            Ok(found.optional()?.flatten())
        })
        .await
    }
}

fn finish(tx: &Connection, end: &AttemptEnd) -> Result<bool, StoreError> {
    match &end.then {
        Ended::GateOpen { said } => return super::gate::open(tx, end, said),
        Ended::GateClosed { reason } => return super::gate::close(tx, end, reason),
        Ended::Finished(_) | Ended::Retry { .. } | Ended::Paused => {}
    }
    if !end_attempt(tx, end)? {
        return Ok(false);
    }
    end_of_attempt(tx, end)?;
    let id = end.claim.run.to_string();
    used_in_all(tx, &id)?;
    if !keeps_output(end) {
        // An earlier attempt may have said more.
        tx.prepare_cached("DELETE FROM run_outputs WHERE run_id = ?1")?.execute([&id])?;
    }
    if end.output.len() > OUTPUT_HEAD {
        tx.prepare_cached("INSERT INTO run_outputs (run_id, output) VALUES (?1, ?2)")?
            .execute(params![id, end.output])?;
    }
    match &end.then {
        Ended::Finished(deliveries) => super::outcomes::tell(tx, end, deliveries)?,
        Ended::Retry { .. } | Ended::Paused => super::cancel::cancel_if_asked(tx, end.claim.run, end.finished_at)?,
        Ended::GateOpen { .. } | Ended::GateClosed { .. } => {}
    }
    Ok(true)
}

/// The attempt's own row, and what it left behind.
pub(super) fn end_of_attempt(tx: &Connection, end: &AttemptEnd) -> Result<(), StoreError> {
    let id = end.claim.run.to_string();
    let sql = "UPDATE attempts SET finished_at = ?3, outcome = ?4, exit_code = ?5, error = ?6, containment = ?7, \
                                   limit_hit = ?8 \
               WHERE run_id = ?1 AND attempt = ?2";
    tx.prepare_cached(sql)?.execute(params![
        id,
        end.claim.attempt,
        ms(end.finished_at),
        end.outcome.as_str(),
        end.exit_code,
        end.error,
        end.containment.as_ref().map(serde_json::to_string).transpose()?,
        limit_hit(end)?,
    ])?;
    super::usage::add(tx, end)?;
    super::orphans::add(tx, end.left_behind, end.finished_at)
}

fn end_attempt(tx: &Connection, end: &AttemptEnd) -> Result<bool, StoreError> {
    let (state, not_before, finished_at, outcome) = match end.then {
        Ended::GateOpen { .. } | Ended::GateClosed { .. } => return Ok(false),
        Ended::Finished(_) => ("finished", None, Some(ms(end.finished_at)), Some(end.outcome.as_str())),
        Ended::Retry { not_before } => ("queued", Some(ms(not_before)), None, None),
        Ended::Paused => ("paused", None, None, None),
    };
    let sql = "UPDATE runs SET state = ?4, not_before = coalesce(?5, not_before), finished_at = ?6, outcome = ?7, \
                               exit_code = ?8, error = ?9, \
                               output = CASE WHEN ?15 THEN output ELSE ?10 END, \
                               output_bytes = CASE WHEN ?15 THEN output_bytes ELSE ?11 END, \
                               output_truncated = CASE WHEN ?15 THEN output_truncated ELSE ?12 END, \
                               usage = CASE WHEN ?15 AND ?13 ->> '$.cpu_seconds' IS NULL THEN usage ELSE ?13 END, \
                               limit_hit = ?14, reserved_usd = 0, \
                               max_attempts = max_attempts + (?4 = 'paused') \
               WHERE id = ?1 AND attempt = ?2 AND epoch = ?3 AND state = 'running'";
    let changed = tx.prepare_cached(sql)?.execute(params![
        end.claim.run.to_string(),
        end.claim.attempt,
        end.claim.epoch,
        state,
        not_before,
        finished_at,
        outcome,
        end.exit_code,
        end.error,
        head(&end.output),
        end.output.len(),
        end.output_truncated,
        serde_json::to_string(&end.usage)?,
        limit_hit(end)?,
        keeps_output(end),
    ])?;
    Ok(changed == 1)
}

/// A run that pauses without a word has said what it said before.
fn keeps_output(end: &AttemptEnd) -> bool {
    matches!(end.then, Ended::Paused) && end.output.is_empty()
}

/// What attempts before used of models counts too, also where the last one came to nothing.
fn used_in_all(tx: &Connection, run: &str) -> Result<(), StoreError> {
    let models = super::usage::of_run(tx, run)?;
    if models.is_empty() {
        return Ok(());
    }
    let usage: Usage = tx
        .prepare_cached("SELECT usage FROM runs WHERE id = ?1")?
        .query_row([run], |row| super::rows::document(row, 0))?;
    tx.prepare_cached("UPDATE runs SET usage = ?2 WHERE id = ?1")?
        .execute(params![run, serde_json::to_string(&usage.with_models(&models))?])?;
    Ok(())
}

fn limit_hit(end: &AttemptEnd) -> Result<Option<String>, StoreError> {
    Ok(end.limit.map(|limit| serde_json::to_string(&limit)).transpose()?)
}

/// The first [`OUTPUT_HEAD`] bytes, cut at a character's edge.
fn head(output: &str) -> &str {
    &output[..output.floor_char_boundary(OUTPUT_HEAD)]
}
