//! What runs have used: recorded with their outcomes, summed for budgets and for whoever asks.

use super::rows::{ms, parsed, time};
use super::{AttemptEnd, Store, StoreError};
use bog_domain::agent_end::{ModelUsage, counted_usd, minus, tokens};
use bog_domain::ids::{JobId, JobUid, RunId};
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

/// What an attempt added to what its run has used of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageRow {
    /// The run.
    pub run_id: RunId,
    /// Its job.
    pub job_id: JobId,
    /// When the attempt ended.
    pub at: Timestamp,
    /// What it added.
    pub usage: ModelUsage,
}

/// What may be spent in a day, and since when the day is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DailyLimits {
    /// When the day began.
    pub since: Timestamp,
    /// US dollars for the job.
    pub job_usd: Option<f64>,
    /// US dollars for all jobs.
    pub all_usd: Option<f64>,
}

/// What a run may still spend.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Allowed {
    /// US dollars that it may cost in all, whatever its job says: a person said so.
    pub by_hand_usd: Option<f64>,
    /// Tokens that it may use in all, whatever its job says: a person said so.
    pub by_hand_tokens: Option<u64>,
    /// US dollars that it has cost.
    pub spent_usd: f64,
    /// Tokens that it has used.
    pub spent_tokens: u64,
    /// What is left of the day; none: there is no limit.
    pub today: Option<Left>,
}

/// What is left of a day's limits, in US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// Not spent.
    pub unspent_usd: f64,
    /// Neither spent nor set aside for attempts under way.
    pub free_usd: f64,
}

const COLUMNS: &str =
    "model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd, charged_usd";

impl Store {
    /// What attempts that ended in a span of time added, the oldest first; of one job where it is given.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn usage(
        &self,
        job: Option<JobId>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!(
                "SELECT {COLUMNS}, run_id, job_id, at FROM usage WHERE at >= ?1 AND at < ?2 AND (?3 IS NULL OR job_id = ?3) \
                 ORDER BY at, run_id, attempt, model"
            );
            let read = |row: &Row<'_>| {
                Ok(UsageRow { usage: model_usage(row)?, run_id: parsed(row, 7)?, job_id: parsed(row, 8)?, at: time(row, 9)? })
            };
            let mut statement = tx.prepare_cached(&sql)?;
            let rows = statement.query_map(params![ms(since), ms(until), job.map(|id| id.to_string())], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What a run may still spend.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn allowed(&self, run: RunId, job: JobUid, limits: DailyLimits) -> Result<Allowed, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT budget_usd, budget_tokens FROM runs WHERE id = ?1";
            let (by_hand_usd, by_hand_tokens) =
                tx.prepare_cached(sql)?.query_row([run.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let used = of_run(tx, &run.to_string())?;
            let (spent_usd, spent_tokens) = (counted_usd(&used), tokens(&used));
            let today = left_today(tx, job, limits)?;
            Ok(Allowed { by_hand_usd, by_hand_tokens, spent_usd, spent_tokens, today })
        })
        .await
    }
}

/// What is left of a day's limits, of which the nearest counts.
pub(super) fn left_today(tx: &Connection, job: JobUid, limits: DailyLimits) -> Result<Option<Left>, StoreError> {
    let mut left: Option<Left> = None;
    for (limit, of) in [(limits.job_usd, Some(job.to_string())), (limits.all_usd, None)] {
        if let Some(limit) = limit {
            let unspent_usd = limit - spent(tx, of.as_deref(), limits.since)?;
            let free_usd = unspent_usd - set_aside(tx, of.as_deref())?;
            left = Some(left.map_or(Left { unspent_usd, free_usd }, |left| Left {
                unspent_usd: left.unspent_usd.min(unspent_usd),
                free_usd: left.free_usd.min(free_usd),
            }));
        }
    }
    Ok(left)
}

fn spent(tx: &Connection, job: Option<&str>, since: Timestamp) -> Result<f64, StoreError> {
    let of = if job.is_some() { "job_uid = ?1" } else { "?1 IS NULL" };
    let sql = format!("SELECT coalesce(sum(coalesce(charged_usd, cost_usd)), 0.0) FROM usage WHERE {of} AND at >= ?2");
    Ok(tx.prepare_cached(&sql)?.query_row(params![job, ms(since)], |row| row.get(0))?)
}

fn set_aside(tx: &Connection, job: Option<&str>) -> Result<f64, StoreError> {
    let of = if job.is_some() { "job_uid = ?1" } else { "?1 IS NULL" };
    let sql = format!("SELECT coalesce(sum(reserved_usd), 0.0) FROM runs WHERE {of} AND reserved_usd > 0");
    Ok(tx.prepare_cached(&sql)?.query_row(params![job], |row| row.get(0))?)
}

/// Records what an attempt added: what its run has used in all, less what earlier attempts added.
pub(super) fn add(tx: &Connection, end: &AttemptEnd) -> Result<(), StoreError> {
    if end.models.is_empty() {
        return Ok(());
    }
    let run = end.claim.run.to_string();
    let before = of_run(tx, &run)?;
    let sql = "INSERT INTO usage (run_id, attempt, model, job_uid, job_id, at, input_tokens, output_tokens, \
                                  cache_read_tokens, cache_write_tokens, cost_usd, charged_usd) \
               SELECT id, ?2, ?3, job_uid, job_id, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM runs WHERE id = ?1";
    let mut insert = tx.prepare_cached(sql)?;
    for model in minus(&end.models, &before) {
        insert.execute(params![
            run,
            end.claim.attempt,
            model.model,
            ms(end.finished_at),
            model.input_tokens,
            model.output_tokens,
            model.cache_read_tokens,
            model.cache_write_tokens,
            model.cost_usd,
            model.charged_usd,
        ])?;
    }
    Ok(())
}

/// What a run has used in all, by model.
pub(super) fn of_run(tx: &Connection, run: &str) -> Result<Vec<ModelUsage>, StoreError> {
    // A sum of whole numbers that do not fit is an error, one of others is not.
    let sum = |column: &str| format!("CAST(sum(CAST({column} AS REAL)) AS INTEGER)");
    let sums = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"].map(sum).join(", ");
    let charged = "CASE WHEN count(charged_usd) > 0 THEN sum(coalesce(charged_usd, cost_usd)) END";
    let sql = format!("SELECT model, {sums}, sum(cost_usd), {charged} FROM usage WHERE run_id = ?1 GROUP BY model");
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map([run], model_usage)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn model_usage(row: &Row<'_>) -> rusqlite::Result<ModelUsage> {
    Ok(ModelUsage {
        model: row.get(0)?,
        input_tokens: row.get(1)?,
        output_tokens: row.get(2)?,
        cache_read_tokens: row.get(3)?,
        cache_write_tokens: row.get(4)?,
        cost_usd: row.get(5)?,
        charged_usd: row.get(6)?,
    })
}
