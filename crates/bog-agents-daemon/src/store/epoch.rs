//! Epochs: each start of a daemon is one. A claim names its epoch, so that a stale owner's write matches nothing.

use super::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

/// One life of a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Its number, from 1; greater than every earlier one of this database.
    pub number: u64,
    /// The boot id of the machine under the previous epoch, if there was one.
    pub previous_boot: Option<String>,
}

impl Store {
    /// Begins an epoch on a machine with this boot id.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn begin_epoch(&self, boot: String) -> Result<Epoch, StoreError> {
        self.write(move |tx| {
            let number = get(tx, "epoch")?.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) + 1;
            let previous_boot = get(tx, "boot")?;
            set(tx, "epoch", &number.to_string())?;
            set(tx, "boot", &boot)?;
            Ok(Epoch { number, previous_boot })
        })
        .await
    }
}

pub(super) fn get(tx: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    let mut statement = tx.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    Ok(statement.query_row([key], |row| row.get(0)).optional()?)
}

pub(super) fn set(tx: &Connection, key: &str, value: &str) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![key, value])?;
    Ok(())
}
