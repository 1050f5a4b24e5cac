//! Deliveries for people and programs: lists, single ones, what gave up, what goes wrong.

use super::query::{Page, page};
use super::rows::{DELIVERY_COLUMNS, DeliveryRow, Seq, ms, parsed, time};
use super::{Store, StoreError};
use bog_domain::delivery::DeliveryState;
use bog_domain::ids::{DeliveryId, JobId, RunId};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

/// Targets named that take nothing.
const MAX_FAILING: u32 = 5;

/// How long a target has to have taken nothing to be named.
const FAILING_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// Which deliveries to list. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Of jobs of this id.
    pub job: Option<JobId>,
    /// Of this run.
    pub run: Option<RunId>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Made at or after.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
}

/// A target that has taken nothing for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingTarget {
    /// The target in a few words.
    pub target: String,
    /// Deliveries to it that were tried and not taken.
    pub count: u64,
    /// When the oldest of them was made.
    pub since: Timestamp,
    /// What went wrong last with it.
    pub error: String,
}

impl Store {
    /// Deliveries, newest first, from before `cursor`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn list_deliveries(
        &self,
        filter: DeliveryFilter,
        cursor: Option<Seq>,
        limit: u32,
    ) -> Result<Page<DeliveryRow>, StoreError> {
        self.read(move |tx| Ok(page(list(tx, &filter, cursor, limit.saturating_add(1))?, limit, |row| row.seq))).await
    }

    /// A delivery.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries d WHERE d.id = ?1");
            Ok(tx.prepare_cached(&sql)?.query_row([id.to_string()], DeliveryRow::read).optional()?)
        })
        .await
    }

    /// The deliveries of a run, in the order of the job's outputs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn deliveries(&self, run: RunId) -> Result<Vec<DeliveryRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries d WHERE d.run_id = ?1 ORDER BY d.seq");
            let mut statement = tx.prepare_cached(&sql)?;
            let rows = statement.query_map([run.to_string()], DeliveryRow::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The outputs of these runs that gave up: run, target and what went wrong, in the order of the jobs' outputs.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn gave_up(&self, runs: Vec<RunId>) -> Result<Vec<(RunId, String, String)>, StoreError> {
        self.read(move |tx| {
            let runs = serde_json::to_string(&runs)?;
            let sql = "SELECT run_id, target, coalesce(error, '') FROM deliveries \
                       WHERE run_id IN (SELECT value FROM json_each(?1)) AND next_at IS NULL \
                         AND state IN ('gave_up', 'unknown') ORDER BY run_id, seq";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([runs], |row| Ok((parsed(row, 0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Targets that have taken nothing for a quarter of an hour, the longest first, and only the worst of them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn failing_targets(&self, now: Timestamp) -> Result<Vec<FailingTarget>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT target, count(*), min(begun_at), coalesce(error, '') FROM deliveries \
                       WHERE next_at IS NOT NULL AND turn <> 1 AND attempts > 0 AND begun_at <= ?1 \
                       GROUP BY target ORDER BY 3 LIMIT ?2";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map(params![ms(now - FAILING_AFTER), MAX_FAILING], |row| {
                Ok(FailingTarget { target: row.get(0)?, count: row.get(1)?, since: time(row, 2)?, error: row.get(3)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// How many deliveries gave up at or after `since`, those counted that may have arrived.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn lost_deliveries(&self, since: Timestamp) -> Result<u64, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT count(*) FROM deliveries INDEXED BY deliveries_lost \
                       WHERE next_at IS NULL AND state IN ('gave_up', 'unknown') AND updated_at >= ?1";
            Ok(tx.prepare_cached(sql)?.query_row([ms(since)], |row| row.get(0))?)
        })
        .await
    }
}

fn list(
    tx: &Connection,
    filter: &DeliveryFilter,
    cursor: Option<Seq>,
    limit: u32,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let of_job = if filter.job.is_some() { "d.job_id = ?2" } else { "?2 IS NULL" };
    let of_run = if filter.run.is_some() { "d.run_id = ?3" } else { "?3 IS NULL" };
    let sql = format!(
        "SELECT {DELIVERY_COLUMNS} FROM deliveries d WHERE d.seq < ?1 AND {of_job} AND {of_run} \
           AND (?4 IS NULL OR d.state = ?4) AND (?5 IS NULL OR d.created_at >= ?5) AND (?6 IS NULL OR d.created_at < ?6) \
         ORDER BY d.seq DESC LIMIT ?7"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let params = params![
        cursor.unwrap_or(Seq::MAX),
        filter.job.as_ref().map(JobId::as_str),
        filter.run.map(|run| run.to_string()),
        filter.state.map(DeliveryState::as_str),
        filter.since.map(ms),
        filter.until.map(ms),
        limit,
    ];
    Ok(statement.query_map(params, DeliveryRow::read)?.collect::<Result<_, _>>()?)
}
