//! Orphans: processes that outlived their attempt and were ended, as they are counted for good.

use super::epoch::{get, set};
use super::open::open_reader;
use super::rows::{ms, parsed};
use super::{Store, StoreError};
use bog_domain::ids::RunId;
use jiff::Timestamp;
use rusqlite::Connection;
use std::collections::HashSet;
use std::path::Path;

/// The names of the two figures.
const ENDED: &str = "orphans_ended";
const LAST_AT: &str = "orphans_ended_at";

/// How many there ever were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Orphans {
    /// Processes that were ended.
    pub ended: u64,
    /// When the last of them was.
    pub last_at: Option<Timestamp>,
}

impl Store {
    /// Every attempt that is under way: what carries the mark of another one has outlived it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn attempts_under_way(&self) -> Result<HashSet<(RunId, u32)>, StoreError> {
        self.read(|tx| {
            let sql = "SELECT id, attempt FROM runs WHERE state IN ('running', 'paused') AND finished_at IS NULL";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((parsed(row, 0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Counts orphans that were ended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn count_orphans(&self, ended: u64, now: Timestamp) -> Result<(), StoreError> {
        if ended == 0 {
            return Ok(());
        }
        self.write(move |tx| add(tx, ended, now)).await
    }
}

/// The orphans that a database file counts, without a daemon or beside one.
///
/// # Errors
/// When it cannot be read.
pub fn orphans(path: &Path) -> Result<Orphans, StoreError> {
    read(&open_reader(path)?)
}

pub(super) fn add(tx: &Connection, ended: u64, now: Timestamp) -> Result<(), StoreError> {
    if ended > 0 {
        set(tx, ENDED, &(read(tx)?.ended + ended).to_string())?;
        set(tx, LAST_AT, &ms(now).to_string())?;
    }
    Ok(())
}

pub(super) fn read(tx: &Connection) -> Result<Orphans, StoreError> {
    let ended = get(tx, ENDED)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let last_at = get(tx, LAST_AT)?.and_then(|text| Timestamp::from_millisecond(text.parse().ok()?).ok());
    Ok(Orphans { ended, last_at })
}
