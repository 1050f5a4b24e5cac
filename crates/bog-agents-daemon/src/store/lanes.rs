//! Lanes: a job's deliveries to one target go out in order, one after the other. The first that is open has its turn;
//! one that keeps failing lets the others pass in the end.

use super::StoreError;
use bog_domain::delivery::Purpose;
use rusqlite::{Connection, OptionalExtension, params};

/// The lane of a delivery. Alerts have lanes of their own, and a recovery follows its alert.
pub(super) fn name(job_uid: &str, purpose: Purpose, target: &str) -> String {
    let kind = match purpose {
        Purpose::Output => "output",
        Purpose::Alert | Purpose::Recovery => "alert",
    };
    format!("{job_uid} {kind} {target}")
}

/// Gives the next of a lane its turn, if nobody has it.
pub(super) fn advance(tx: &Connection, lane: &str) -> Result<(), StoreError> {
    let sql = "UPDATE deliveries SET turn = 0 \
               WHERE seq = (SELECT min(seq) FROM deliveries WHERE lane = ?1 AND next_at IS NOT NULL AND turn = 1) \
                 AND NOT EXISTS (SELECT 1 FROM deliveries WHERE lane = ?1 AND next_at IS NOT NULL AND turn = 0)";
    tx.prepare_cached(sql)?.execute([lane])?;
    Ok(())
}

/// The digest of what a lane's target was told last, or is about to be told, by another run than this one; `None` also
/// where that was not worked out.
pub(super) fn last_said(tx: &Connection, lane: &str, run: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT digest FROM deliveries WHERE lane = ?1 AND next_at IS NOT NULL AND run_id <> ?2 \
               ORDER BY seq DESC LIMIT 1";
    let waiting = tx.prepare_cached(sql)?.query_row(params![lane, run], |row| row.get(0)).optional()?;
    if let Some(digest) = waiting {
        return Ok(digest);
    }
    let sql = "SELECT digest FROM told WHERE lane = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([lane], |row| row.get(0)).optional()?.flatten())
}

/// Remembers what a lane's target was told.
pub(super) fn remember(tx: &Connection, delivery: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO told (lane, job_uid, digest, receipt) \
               SELECT d.lane, r.job_uid, d.digest, d.receipt FROM deliveries d JOIN runs r ON r.id = d.run_id \
               WHERE d.id = ?1 \
               ON CONFLICT (lane) DO UPDATE SET digest = excluded.digest, receipt = coalesce(excluded.receipt, receipt)";
    tx.prepare_cached(sql)?.execute([delivery])?;
    Ok(())
}
