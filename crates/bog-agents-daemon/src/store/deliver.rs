//! Deliveries: which are due, and what came of an attempt.

use super::rows::{
    DELIVERY_COLUMN_COUNT, DELIVERY_COLUMNS, DeliveryRow, RUN_COLUMN_COUNT, RUN_COLUMNS, RunRow, ms, optional_time,
    parsed,
};
use super::{Store, StoreError, lanes};
use bog_domain::delivery::{AfterDelivery, Host, Pace};
use bog_domain::ids::DeliveryId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

/// A delivery to be attempted, with its run.
#[derive(Debug, Clone)]
pub struct DueDelivery {
    /// The delivery.
    pub delivery: DeliveryRow,
    /// The run; its output is the head only.
    pub run: RunRow,
    /// The spec of the run's revision, as JSON text.
    pub spec: String,
    /// The receipt of what was delivered last of the same job to the same target.
    pub last_receipt: Option<String>,
}

/// Which deliveries are wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Not these: they are under way.
    pub under_way: Vec<DeliveryId>,
    /// At most as many to each host as this allows.
    pub pace: Pace,
    /// At most so many.
    pub limit: usize,
}

impl Store {
    /// Deliveries to be attempted now, the most overdue host first; and when to look again, unless one that is under
    /// way ends before.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn due_deliveries(
        &self,
        mut wanted: Wanted,
        now: Timestamp,
    ) -> Result<(Vec<DueDelivery>, Option<Timestamp>), StoreError> {
        self.read(move |tx| {
            let under_way: Vec<String> = wanted.under_way.iter().map(ToString::to_string).collect();
            let under_way = serde_json::to_string(&under_way)?;
            let (mut due, mut next) = (Vec::new(), None);
            let mut sooner = |at: Option<Timestamp>| next = [next, at].into_iter().flatten().min();
            for (host, earliest) in hosts(tx)? {
                let room = (wanted.pace.room(&host, now) as usize).min(wanted.limit - due.len());
                if earliest > now {
                    sooner(Some(earliest));
                } else if room == 0 {
                    sooner(wanted.pace.room_at(&host, now));
                } else {
                    let of_host = due_at(tx, &host, &under_way, now, room)?;
                    // They take room that the other hosts do not have any more.
                    of_host.iter().for_each(|_| wanted.pace.begin(&host, now));
                    due.extend(of_host);
                    sooner(next_at(tx, &host, now)?);
                }
            }
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

    /// Records what came of an attempt to deliver, and gives the next of its lane its turn where this one is done.
    ///
    /// # Errors
    /// When it cannot be written; then the delivery is attempted again.
    pub async fn deliver(&self, id: DeliveryId, after: AfterDelivery, now: Timestamp) -> Result<(), StoreError> {
        let after = self.masked_after(after);
        self.write(move |tx| {
            crate::failpoint::hit("store.deliver");
            record(tx, &id.to_string(), &after, now)
        })
        .await
    }

    /// Makes a delivery once more, under the same id: one that is settled is due again, and one that waits is due now.
    /// Its deadline counts from now. `false` where there is no such delivery.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn redeliver(&self, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let id = id.to_string();
            let sql = "UPDATE deliveries SET state = CASE WHEN state = 'unknown' THEN state ELSE 'pending' END, \
                                             turn = CASE WHEN next_at IS NOT NULL AND turn = 0 THEN 0 ELSE 2 END, \
                                             next_at = 0, attempts = 0, begun_at = ?2, updated_at = ?2 \
                       WHERE id = ?1";
            Ok(tx.prepare_cached(sql)?.execute(params![id, ms(now)])? == 1)
        })
        .await
    }
}

fn record(tx: &Connection, id: &str, after: &AfterDelivery, now: Timestamp) -> Result<(), StoreError> {
    let (next_at, error, receipt) = match after {
        AfterDelivery::Delivered { receipt } => (None, None, receipt.as_ref()),
        AfterDelivery::RetryAfter { delay, error, .. } => (Some(ms(now + *delay)), Some(error), None),
        AfterDelivery::GaveUp { error } | AfterDelivery::Unknown { error } => (None, Some(error), None),
    };
    let lets_pass = matches!(after, AfterDelivery::RetryAfter { lets_pass: true, .. });
    let sql = "UPDATE deliveries SET state = ?2, next_at = ?3, error = ?4, receipt = ?5, updated_at = ?6, \
                                     turn = CASE WHEN ?7 THEN 2 ELSE turn END, attempts = attempts + 1 \
               WHERE id = ?1 AND next_at IS NOT NULL RETURNING lane";
    let values = params![id, after.state().as_str(), next_at, error, receipt, ms(now), lets_pass];
    let lane: Option<String> = tx.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    let Some(lane) = lane else { return Ok(()) };
    if matches!(after, AfterDelivery::Delivered { .. }) {
        lanes::remember(tx, id)?;
    }
    lanes::advance(tx, &lane)
}

/// Hosts with deliveries whose turn it is, each with when the first is due; the most overdue first. Steps from host to
/// host: however many wait for one that is down, they cost nothing.
fn hosts(tx: &Connection) -> Result<Vec<(Host, Timestamp)>, StoreError> {
    let sql = "WITH RECURSIVE hosts (name) AS (\
                   SELECT (SELECT min(host) FROM deliveries WHERE next_at IS NOT NULL AND turn <> 1) \
                   UNION ALL \
                   SELECT (SELECT min(host) FROM deliveries WHERE next_at IS NOT NULL AND turn <> 1 AND host > name) \
                   FROM hosts WHERE name IS NOT NULL) \
               SELECT name, (SELECT min(next_at) FROM deliveries WHERE host = name AND next_at IS NOT NULL AND turn <> 1) \
               FROM hosts WHERE name IS NOT NULL ORDER BY 2";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, optional_time(row, 1)?.unwrap_or_default())))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn due_at(
    tx: &Connection,
    host: &Host,
    under_way: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<DueDelivery>, StoreError> {
    let sql = format!(
        "SELECT {DELIVERY_COLUMNS}, {RUN_COLUMNS}, v.spec, (SELECT receipt FROM told t WHERE t.lane = d.lane) \
         FROM deliveries d JOIN runs r ON r.id = d.run_id \
         JOIN revisions v ON v.job_uid = r.job_uid AND v.revision = r.revision \
         WHERE d.host = ?1 AND d.next_at <= ?2 AND d.turn <> 1 AND d.id NOT IN (SELECT value FROM json_each(?3)) \
         ORDER BY d.next_at, d.seq LIMIT ?4"
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let rows = statement.query_map(params![host.to_string(), ms(now), under_way, limit], |row| {
        Ok(DueDelivery {
            delivery: DeliveryRow::read(row)?,
            run: RunRow::read_at(row, DELIVERY_COLUMN_COUNT)?,
            spec: row.get(DELIVERY_COLUMN_COUNT + RUN_COLUMN_COUNT)?,
            last_receipt: row.get(DELIVERY_COLUMN_COUNT + RUN_COLUMN_COUNT + 1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn next_at(tx: &Connection, host: &Host, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(next_at) FROM deliveries WHERE host = ?1 AND next_at > ?2 AND turn <> 1";
    Ok(tx.prepare_cached(sql)?.query_row(params![host.to_string(), ms(now)], |row| optional_time(row, 0))?)
}
