//! Going on with a run that stopped at its budget.

use super::{Store, StoreError};
use bog_domain::ids::RunId;
use bog_domain::run::RunState;
use rusqlite::params;

/// What resuming came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Resumed {
    /// It waits for its next attempt.
    Now,
    /// It is in this state, in which there is nothing to resume.
    NotPaused(RunState),
    /// It has cost this much, in US dollars, already.
    TooLittle {
        /// What it has cost.
        spent_usd: f64,
    },
    /// There is no such run.
    NoSuchRun,
}

impl Store {
    /// Goes on with a paused run, which may cost `budget_usd` US dollars in all from now on, or what its job allows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn resume(&self, run: RunId, budget_usd: Option<f64>) -> Result<Resumed, StoreError> {
        self.write(move |tx| {
            let Some(row) = super::query::run(tx, run)? else { return Ok(Resumed::NoSuchRun) };
            if row.state != RunState::Paused {
                return Ok(Resumed::NotPaused(row.state));
            }
            let id = run.to_string();
            let spent = "SELECT coalesce(sum(cost_usd), 0.0) FROM usage WHERE run_id = ?1";
            let spent_usd: f64 = tx.prepare_cached(spent)?.query_row([&id], |row| row.get(0))?;
            if budget_usd.is_some_and(|budget| budget <= spent_usd) {
                return Ok(Resumed::TooLittle { spent_usd });
            }
            let sql = "UPDATE runs SET state = 'queued', not_before = 0, budget_usd = coalesce(?2, budget_usd) \
                       WHERE id = ?1 AND state = 'paused'";
            tx.prepare_cached(sql)?.execute(params![id, budget_usd])?;
            Ok(Resumed::Now)
        })
        .await
    }
}
