//! Claims: which runs may start, and the durable step that makes one ours before its process is started.

use super::rows::{RUN_COLUMN_COUNT, RUN_COLUMNS, RunRow, ms, optional_time};
use super::usage::DailyLimits;
use super::{Store, StoreError};
use bog_domain::ids::RunId;
use jiff::Timestamp;
use rusqlite::{Connection, params};

/// A run that may start, and the spec of the revision it runs.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The run.
    pub run: RunRow,
    /// The spec, as JSON text.
    pub spec: String,
}

/// A claim on one attempt of a run. Every later write about the attempt carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The run.
    pub run: RunId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The epoch of the daemon that owns it.
    pub epoch: u64,
}

/// What a claim sets aside.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reserve {
    /// US dollars.
    pub usd: f64,
    /// The day's limits that must have so much left; none: no limit does.
    pub within: Option<DailyLimits>,
}

impl Store {
    /// Runs that may start now, the oldest first, and when the next of the others may.
    ///
    /// A job's runs start in order: the first one waits for its retry, and the later ones behind it; those made under
    /// `parallel` only for a free place. Where they are one conversation, one that is paused in the middle of it keeps the
    /// later ones waiting.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn ready(&self, now: Timestamp, limit: u32) -> Result<(Vec<Ready>, Option<Timestamp>), StoreError> {
        self.read(move |tx| Ok((ready(tx, now, limit)?, next_retry(tx, now)?))).await
    }

    /// Claims the next attempt of a run. `seen` is the run as the attempt was prepared from it: `false` when it has
    /// changed since, so that the attempt must be prepared again, or the job has no place free any more.
    ///
    /// # Errors
    /// When it cannot be written; then nothing is claimed.
    pub async fn claim(&self, seen: RunRow, claim: Claim, now: Timestamp) -> Result<bool, StoreError> {
        self.claim_reserving(seen, claim, Reserve::default(), now).await
    }

    /// As [`Store::claim`], and sets aside what the attempt may cost: `false` too where less of the day is free by now, so that
    /// the attempt, prepared again, is [put off](Store::put_off).
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub async fn claim_reserving(
        &self,
        seen: RunRow,
        claim: Claim,
        reserve: Reserve,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            crate::failpoint::hit("store.claim");
            if let Some(limits) = reserve.within
                && super::usage::left_today(tx, seen.job_uid, limits)?.is_some_and(|left| left.free_usd < reserve.usd)
            {
                return Ok(false);
            }
            let sql = "UPDATE runs SET state = 'running', attempt = ?2, epoch = ?3, node = 'local', reserved_usd = ?6, \
                                       started_at = coalesce(started_at, ?4) \
                       WHERE id = ?1 AND state = 'queued' AND attempt = ?2 - 1 AND fires = ?5 \
                         AND lane_max > (SELECT count(*) FROM runs o WHERE o.state = 'running' AND o.finished_at IS NULL \
                                                                       AND o.job_uid = runs.job_uid)";
            let id = claim.run.to_string();
            let claimed =
                tx.prepare_cached(sql)?.execute(params![id, claim.attempt, claim.epoch, ms(now), seen.fires, reserve.usd])?;
            if claimed == 0 {
                return Ok(false);
            }
            tx.prepare_cached("INSERT INTO attempts (run_id, attempt, epoch, started_at) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![id, claim.attempt, claim.epoch, ms(now)])?;
            Ok(true)
        })
        .await
    }

    /// Puts off a run that waits: it is not claimed before `not_before`, and none of its job's after it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn put_off(&self, run: RunId, not_before: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE runs SET not_before = ?2 WHERE id = ?1 AND state = 'queued' AND finished_at IS NULL";
            tx.prepare_cached(sql)?.execute(params![run.to_string(), ms(not_before)])?;
            Ok(())
        })
        .await
    }

    /// Takes over an attempt that an earlier daemon claimed. `false` when it is no longer running.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn adopt(&self, old: Claim, epoch: u64) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE runs SET epoch = ?4 WHERE id = ?1 AND attempt = ?2 AND epoch = ?3 AND state = 'running'";
            let adopted =
                tx.prepare_cached(sql)?.execute(params![old.run.to_string(), old.attempt, old.epoch, epoch])?;
            Ok(adopted == 1)
        })
        .await
    }

    /// Gives back an attempt that never began: the run waits again and the attempt costs no retry. A run that was asked
    /// to end meanwhile is over instead.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn void(&self, claim: Claim, now: Timestamp) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE runs SET state = 'queued', max_attempts = max_attempts + 1, not_before = ?4, reserved_usd = 0 \
                       WHERE id = ?1 AND attempt = ?2 AND epoch = ?3 AND state = 'running'";
            let id = claim.run.to_string();
            let voided = tx.prepare_cached(sql)?.execute(params![id, claim.attempt, claim.epoch, ms(now)])?;
            if voided == 1 {
                super::cancel::cancel_if_asked(tx, claim.run, now)?;
                let sql =
                    "UPDATE attempts SET finished_at = ?3, error = 'never began' WHERE run_id = ?1 AND attempt = ?2";
                tx.prepare_cached(sql)?.execute(params![id, claim.attempt, ms(now)])?;
            }
            Ok(voided == 1)
        })
        .await
    }

    /// Every run that is claimed, whoever claimed it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn running(&self) -> Result<Vec<Ready>, StoreError> {
        self.read(|tx| {
            let sql = format!("{} WHERE r.state = 'running' AND r.finished_at IS NULL ORDER BY r.seq", select_ready());
            read_ready(tx, &sql, params![])
        })
        .await
    }
}

fn select_ready() -> String {
    format!(
        "SELECT {RUN_COLUMNS}, v.spec FROM runs r JOIN revisions v ON v.job_uid = r.job_uid AND v.revision = r.revision"
    )
}

fn ready(tx: &Connection, now: Timestamp, limit: u32) -> Result<Vec<Ready>, StoreError> {
    let sql = format!(
        "WITH single AS (SELECT l.head AS seq FROM loads l JOIN runs h ON h.seq = l.head \
                         WHERE l.head IS NOT NULL AND l.running = 0 AND h.not_before <= ?1 \
                           AND NOT EXISTS (SELECT 1 FROM runs p JOIN revisions w \
                                             ON w.job_uid = p.job_uid AND w.revision = p.revision \
                                           WHERE p.job_uid = l.job_uid AND p.state = 'paused' \
                                             AND coalesce(w.spec ->> '$.continue', 0) <> 0) ORDER BY l.head LIMIT ?2), \
              parallel AS (SELECT min(p.seq) AS seq FROM runs p JOIN loads l ON l.job_uid = p.job_uid \
                           WHERE p.state = 'queued' AND p.lane_max > 1 AND p.not_before <= ?1 \
                             AND l.running < p.lane_max GROUP BY p.job_uid) \
         {} WHERE r.seq IN (SELECT seq FROM single UNION ALL SELECT seq FROM parallel) ORDER BY r.seq LIMIT ?2",
        select_ready()
    );
    read_ready(tx, &sql, params![ms(now), limit])
}

fn read_ready(tx: &Connection, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<Ready>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows =
        statement.query_map(params, |row| Ok(Ready { run: RunRow::read(row)?, spec: row.get(RUN_COLUMN_COUNT)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn next_retry(tx: &Connection, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(not_before) FROM runs WHERE state = 'queued' AND not_before > 0 AND not_before > ?1";
    Ok(tx.prepare_cached(sql)?.query_row([ms(now)], |row| optional_time(row, 0))?)
}
