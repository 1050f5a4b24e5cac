//! Scheduled triggers: which are due, and the one step that records their slots and moves their memory on.

use super::accept::{Accepted, Arrival, accept, extend_range};
use super::rows::{ms, optional_time, parsed, time, word};
use super::{Store, StoreError};
use bog_domain::fire::{Disposition, Reason, TriggerKind};
use bog_domain::ids::{FireId, JobId, JobUid, TriggerId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

/// A trigger whose next slot has come.
#[derive(Debug, Clone)]
pub struct DueTrigger {
    /// The job's uid.
    pub job: JobUid,
    /// The job's id.
    pub job_id: JobId,
    /// The job's spec, as JSON text.
    pub spec: String,
    /// The trigger.
    pub trigger: TriggerId,
    /// When its memory began.
    pub activated_at: Timestamp,
    /// Up to where its slots have been dealt with.
    pub cursor: Timestamp,
}

/// What is to be recorded of a trigger's slots.
#[derive(Debug, Clone)]
pub struct Advance {
    /// The job.
    pub job: JobUid,
    /// The trigger.
    pub trigger: TriggerId,
    /// Its kind.
    pub kind: TriggerKind,
    /// The memory the plan was made from; another means that the plan is stale and nothing is recorded.
    pub from: Timestamp,
    /// The memory afterwards.
    pub cursor: Timestamp,
    /// When to look again.
    pub next_at: Option<Timestamp>,
    /// Slots that are missed: the first, the last, how many, why.
    pub missed: Vec<(FireId, Timestamp, Timestamp, u64, Reason)>,
    /// Slots that fire, in order.
    pub fires: Vec<Arrival>,
}

/// A trigger's memory.
#[derive(Debug, Clone)]
pub struct TriggerRow {
    /// Its id within the job.
    pub id: TriggerId,
    /// Its kind.
    pub kind: TriggerKind,
    /// When its memory began.
    pub activated_at: Timestamp,
    /// Up to where its slots have been dealt with.
    pub cursor: Timestamp,
    /// When it is looked at next.
    pub next_at: Option<Timestamp>,
}

impl Store {
    /// The triggers of a job.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn triggers(&self, job: JobUid) -> Result<Vec<TriggerRow>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT id, kind, activated_at, cursor_at, next_at FROM triggers WHERE job_uid = ?1";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([job.to_string()], |row| {
                Ok(TriggerRow {
                    id: TriggerId::new(row.get::<_, String>(0)?),
                    kind: word(row, 1)?,
                    activated_at: time(row, 2)?,
                    cursor: time(row, 3)?,
                    next_at: optional_time(row, 4)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Triggers whose next slot is at or before `now`, the most overdue first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn due_triggers(&self, now: Timestamp, limit: u32) -> Result<Vec<DueTrigger>, StoreError> {
        self.read(move |tx| {
            let sql = "SELECT t.job_uid, j.id, j.spec, t.id, t.activated_at, t.cursor_at \
                       FROM triggers t JOIN jobs j ON j.uid = t.job_uid \
                       WHERE t.next_at <= ?1 ORDER BY t.next_at LIMIT ?2";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map(params![ms(now), limit], |row| {
                Ok(DueTrigger {
                    job: parsed(row, 0)?,
                    job_id: parsed(row, 1)?,
                    spec: row.get(2)?,
                    trigger: TriggerId::new(row.get::<_, String>(3)?),
                    activated_at: time(row, 4)?,
                    cursor: time(row, 5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// When the next slot of any trigger is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn next_slot(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|tx| {
            let sql = "SELECT next_at FROM triggers WHERE next_at IS NOT NULL ORDER BY next_at LIMIT 1";
            let mut statement = tx.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            Ok(rows.next()?.map(|row| time(row, 0)).transpose()?)
        })
        .await
    }

    /// Records a trigger's slots and moves its memory on, in one step. `None` when the plan was stale.
    ///
    /// # Errors
    /// When it cannot be written; then the memory stays where it was, and the slots are still due.
    pub async fn advance(&self, advance: Advance, now: Timestamp) -> Result<Option<Vec<Accepted>>, StoreError> {
        self.write(move |tx| {
            crate::failpoint::hit("store.advance");
            record(tx, advance, now)
        })
        .await
    }

    /// After the clock was set back: whatever waits for an instant of `future` or later, by the clock as it was, is due
    /// at once. Triggers whose memory is from then, and attempts of runs and deliveries.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn set_back(&self, future: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            for sql in [
                "UPDATE triggers SET next_at = ?1 WHERE next_at > ?1 AND cursor_at >= ?2",
                "UPDATE runs SET not_before = ?1 WHERE state = 'queued' AND not_before >= ?2",
                "UPDATE deliveries SET next_at = ?1 WHERE next_at >= ?2",
            ] {
                tx.execute(sql, [ms(now), ms(future)])?;
            }
            Ok(())
        })
        .await
    }

    /// Makes every scheduled trigger due at once, so that its next slot is worked out anew: after a change of the
    /// daemon's zone or of the zone rules it ships.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn reschedule_all(&self, basis: String, now: Timestamp) -> Result<bool, StoreError> {
        self.write(move |tx| {
            if super::epoch::get(tx, "schedule_basis")?.as_deref() == Some(basis.as_str()) {
                return Ok(false);
            }
            tx.execute("UPDATE triggers SET next_at = ?1 WHERE next_at > ?1", [ms(now)])?;
            super::epoch::set(tx, "schedule_basis", &basis)?;
            Ok(true)
        })
        .await
    }
}

fn record(tx: &Connection, advance: Advance, now: Timestamp) -> Result<Option<Vec<Accepted>>, StoreError> {
    let sql = "UPDATE triggers SET cursor_at = ?4, next_at = ?5 WHERE job_uid = ?1 AND id = ?2 AND cursor_at = ?3";
    let moved = tx.prepare_cached(sql)?.execute(params![
        advance.job.to_string(),
        advance.trigger.as_str(),
        ms(advance.from),
        ms(advance.cursor),
        advance.next_at.map(ms),
    ])?;
    if moved == 0 {
        return Ok(None);
    }
    for (fire, from, until, count, reason) in advance.missed {
        record_missed(tx, (advance.job, &advance.trigger, advance.kind), (fire, from, until, count), reason, now)?;
    }
    advance.fires.into_iter().map(|arrival| accept(tx, arrival, now)).collect::<Result<_, _>>().map(Some)
}

fn record_missed(
    tx: &Connection,
    (job, trigger, kind): (JobUid, &TriggerId, TriggerKind),
    (fire, from, until, count): (FireId, Timestamp, Timestamp, u64),
    reason: Reason,
    now: Timestamp,
) -> Result<(), StoreError> {
    let verdict = (Disposition::Missed, Some(reason.as_str()), None);
    if extend_range(tx, job, trigger, verdict, (until, count), now)?.is_some() {
        return Ok(());
    }
    let sql = "INSERT INTO fires (id, job_uid, job_id, trigger_id, kind, due_at, until_at, count, seen_at, disposition, \
                                  reason, context) \
               SELECT ?1, uid, id, ?3, ?4, ?5, ?6, ?7, ?8, 'missed', ?9, '{}' FROM jobs WHERE uid = ?2";
    tx.prepare_cached(sql)?.execute(params![
        fire.to_string(),
        job.to_string(),
        trigger.as_str(),
        kind.as_str(),
        ms(from),
        (count > 1).then(|| ms(until)),
        count,
        ms(now),
        reason.as_str(),
    ])?;
    Ok(())
}
