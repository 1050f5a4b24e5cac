//! Going on with a run that stopped at its budget.

use super::{Store, StoreError};
use bog_domain::agent_end::{counted_usd, tokens};
use bog_domain::ids::RunId;
use bog_domain::run::RunState;
use rusqlite::{Connection, Row, params};

/// What resuming came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Resumed {
    /// It waits for its next attempt.
    Now,
    /// It is in this state, in which there is nothing to resume.
    NotPaused(RunState),
    /// With so much it would stop where it stands.
    TooLittle {
        /// Which amount that is; none: the run stopped at what it may use itself, and no amount was named.
        amount: Option<Amount>,
        /// What it has cost, in US dollars.
        spent_usd: f64,
        /// What it has used.
        spent_tokens: u64,
    },
    /// There is no such run.
    NoSuchRun,
}

/// What a person says that a run may use in all; what is left out stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct More {
    /// US dollars, whatever the day's limits say.
    pub usd: Option<f64>,
    /// Tokens.
    pub tokens: Option<u64>,
}

/// An amount that is too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// US dollars.
    Usd,
    /// Tokens.
    Tokens,
}

impl Store {
    /// Goes on with a paused run, which may use as much in all from now on as is said here, or before, or by its job.
    /// `day_is_limited`: whether all jobs together have a limit for the day, at which it may have stopped.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn resume(&self, run: RunId, more: More, day_is_limited: bool) -> Result<Resumed, StoreError> {
        self.write(move |tx| {
            let Some(row) = super::query::run(tx, run)? else { return Ok(Resumed::NoSuchRun) };
            if row.state != RunState::Paused {
                return Ok(Resumed::NotPaused(row.state));
            }
            let id = run.to_string();
            let used = super::usage::of_run(tx, &id)?;
            let (spent_usd, spent_tokens) = (counted_usd(&used), tokens(&used));
            let may = of_run(tx, &id)?;
            let (usd, most) = (more.usd.or(may.usd), more.tokens.or(may.tokens));
            let named = more.usd.is_some() || more.tokens.is_some();
            let of_its_own = (usd.is_some() || most.is_some()) && !may.day_is_limited && !day_is_limited;
            let amount = if usd.is_some_and(|usd| usd <= spent_usd) {
                Some(Some(Amount::Usd))
            } else if most.is_some_and(|most| most <= spent_tokens) {
                Some(Some(Amount::Tokens))
            } else {
                (!named && of_its_own).then_some(None)
            };
            if let Some(amount) = amount {
                return Ok(Resumed::TooLittle { amount, spent_usd, spent_tokens });
            }
            let sql = "UPDATE runs SET state = 'queued', not_before = 0, budget_usd = coalesce(?2, budget_usd), \
                                       budget_tokens = coalesce(?3, budget_tokens) \
                       WHERE id = ?1 AND state = 'paused'";
            tx.prepare_cached(sql)?.execute(params![id, more.usd, more.tokens])?;
            Ok(Resumed::Now)
        })
        .await
    }
}

/// What a run may use in all by itself.
struct May {
    usd: Option<f64>,
    tokens: Option<u64>,
    /// Whether its job has a limit for the day besides.
    day_is_limited: bool,
}

fn of_run(tx: &Connection, id: &str) -> Result<May, StoreError> {
    let sql = "SELECT coalesce(r.budget_usd, v.spec ->> '$.budget.run_usd', v.spec ->> '$.features.budget_usd'), \
                      coalesce(r.budget_tokens, v.spec ->> '$.budget.tokens'), \
                      r.budget_usd IS NULL AND v.spec ->> '$.budget.daily_usd' IS NOT NULL \
               FROM runs r JOIN revisions v ON v.job_uid = r.job_uid AND v.revision = r.revision WHERE r.id = ?1";
    let read = |row: &Row<'_>| Ok(May { usd: row.get(0)?, tokens: row.get(1)?, day_is_limited: row.get(2)? });
    Ok(tx.prepare_cached(sql)?.query_row([id], read)?)
}
