//! Deliveries: which are due, and what came of an attempt.

use super::rows::{
    DELIVERY_COLUMN_COUNT, DELIVERY_COLUMNS, DeliveryRow, RUN_COLUMN_COUNT, RUN_COLUMNS, RunRow, ms, optional_time,
};
use super::{Store, StoreError};
use bog_domain::delivery::AfterDelivery;
use bog_domain::ids::{DeliveryId, RunId};
use jiff::Timestamp;
use rusqlite::params;

/// A delivery to be attempted, with its run.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// The delivery.
    pub delivery: DeliveryRow,
    /// The run; its output is the head only.
    pub run: RunRow,
    /// The spec of the run's revision, as JSON text.
    pub spec: String,
}

impl Store {
    /// Deliveries to be attempted now, the most overdue first, leaving out those under way; and when the next of the
    /// others is due.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn due_deliveries(
        &self,
        under_way: Vec<DeliveryId>,
        now: Timestamp,
        limit: u32,
    ) -> Result<(Vec<DueDelivery>, Option<Timestamp>), StoreError> {
        self.read(move |tx| {
            let under_way: Vec<String> = under_way.iter().map(ToString::to_string).collect();
            let under_way = serde_json::to_string(&under_way)?;
            let columns: Vec<String> = DELIVERY_COLUMNS.split(", ").map(|column| format!("d.{}", column.trim())).collect();
            let sql = format!(
                "SELECT {}, {RUN_COLUMNS}, v.spec FROM deliveries d JOIN runs r ON r.id = d.run_id \
                 JOIN revisions v ON v.job_uid = r.job_uid AND v.revision = r.revision \
                 WHERE d.next_at <= ?1 AND d.id NOT IN (SELECT value FROM json_each(?2)) ORDER BY d.next_at, d.seq LIMIT ?3",
                columns.join(", ")
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let rows = statement.query_map(params![ms(now), under_way, limit], |row| {
                Ok(DueDelivery {
                    delivery: DeliveryRow::read(row)?,
                    run: RunRow::read_at(row, DELIVERY_COLUMN_COUNT)?,
                    spec: row.get(DELIVERY_COLUMN_COUNT + RUN_COLUMN_COUNT)?,
                })
            })?;
            let due = rows.collect::<Result<_, _>>()?;
            let sql = "SELECT min(next_at) FROM deliveries WHERE next_at > ?1";
            let next = tx.prepare_cached(sql)?.query_row([ms(now)], |row| optional_time(row, 0))?;
            Ok((due, next))
        })
        .await
    }

    /// Notes what a target wants remembered before it begins, so that the attempt after a crash can tell whether this
    /// one got through.
    ///
    /// # Errors
    /// When it cannot be written; then the target must not begin.
    pub async fn intend(&self, id: DeliveryId, intent: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE deliveries SET intent = ?2 WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![id.to_string(), intent])?;
            Ok(())
        })
        .await
    }

    /// Records what came of an attempt to deliver.
    ///
    /// # Errors
    /// When it cannot be written; then the delivery is attempted again.
    pub async fn deliver(&self, id: DeliveryId, after: AfterDelivery, now: Timestamp) -> Result<(), StoreError> {
        let after = self.masked_after(after);
        self.write(move |tx| {
            crate::failpoint::hit("store.deliver");
            let (state, next_at, error, receipt) = match after {
                AfterDelivery::Delivered { receipt } => ("delivered", None, None, receipt),
                AfterDelivery::RetryAfter { delay, error } => ("retrying", Some(ms(now + delay)), Some(error), None),
                AfterDelivery::GaveUp { error } => ("gave_up", None, Some(error), None),
            };
            let sql = "UPDATE deliveries SET state = ?2, next_at = ?3, error = ?4, receipt = ?5, updated_at = ?6, \
                                             attempts = attempts + 1 \
                       WHERE id = ?1 AND state IN ('pending', 'retrying')";
            tx.prepare_cached(sql)?.execute(params![id.to_string(), state, next_at, error, receipt, ms(now)])?;
            Ok(())
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
                       WHERE run_id IN (SELECT value FROM json_each(?1)) AND state = 'gave_up' ORDER BY run_id, position";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([runs], |row| Ok((super::rows::parsed(row, 0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The deliveries of a run, in the order of the job's outputs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn deliveries(&self, run: RunId) -> Result<Vec<DeliveryRow>, StoreError> {
        self.read(move |tx| {
            let sql = format!("SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE run_id = ?1 ORDER BY position");
            let mut statement = tx.prepare_cached(&sql)?;
            let rows = statement.query_map([run.to_string()], DeliveryRow::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}
