//! Answers already given to requests that carry an `Idempotency-Key`, kept for a day.

use super::{Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

/// How long an answer is kept.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

/// A request's key and what it asked for; stored with the effect, in the same commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The endpoint, so that a key used on two endpoints is two keys.
    pub scope: String,
    /// The client's key.
    pub key: String,
    /// Digest of the request, to tell a repetition from another request under the same key.
    pub request: String,
    /// What was answered, as JSON text.
    pub response: String,
}

impl Store {
    /// The answer given under a key, if one is kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn answer(&self, scope: String, key: String) -> Result<Option<Answer>, StoreError> {
        self.read(move |tx| find(tx, &scope, &key)).await
    }
}

pub(super) fn find(tx: &Connection, scope: &str, key: &str) -> Result<Option<Answer>, StoreError> {
    let sql = "SELECT request, response FROM answers WHERE scope = ?1 AND key = ?2";
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Answer { scope: scope.to_owned(), key: key.to_owned(), request: row.get(0)?, response: row.get(1)? })
    };
    Ok(tx.prepare_cached(sql)?.query_row([scope, key], read).optional()?)
}

pub(super) fn keep(tx: &Connection, answer: &Answer, now: Timestamp) -> Result<(), StoreError> {
    let oldest = super::rows::ms(now - KEPT);
    tx.prepare_cached("DELETE FROM answers WHERE created_at < ?1")?.execute([oldest])?;
    tx.prepare_cached("INSERT INTO answers (scope, key, request, response, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![answer.scope, answer.key, answer.request, answer.response, super::rows::ms(now)])?;
    Ok(())
}
