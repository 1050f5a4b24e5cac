//! `Idempotency-Key`: a repeated request gets the first answer, another one under the same key is refused.

use super::problem::ApiError;
use crate::store::{Answer, Store};
use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

/// The header.
const HEADER: &str = "idempotency-key";

/// The longest key.
const MAX_LENGTH: usize = 255;

/// The request's key with what it asks for, if it carries one; kept with the effect, in one commit.
pub(super) fn asked(headers: &HeaderMap, scope: &str, path: &str, body: &[u8]) -> Result<Option<Answer>, ApiError> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_LENGTH);
    let key = key.ok_or_else(|| {
        ApiError::parameter(
            "Idempotency-Key",
            format!("not a key: 1 to {MAX_LENGTH} printable ASCII characters are allowed"),
        )
    })?;
    let mut digest = Sha256::new();
    digest.update(path);
    digest.update([0]);
    digest.update(body);
    let request = hex::encode(digest.finalize());
    Ok(Some(Answer { scope: scope.to_owned(), key: key.to_owned(), request, response: String::new() }))
}

/// What was answered to this request before, if it is a repetition.
pub(super) async fn answered(store: &Store, asked: Option<&Answer>) -> Result<Option<String>, ApiError> {
    let Some(asked) = asked else { return Ok(None) };
    match store.answer(asked.scope.clone(), asked.key.clone()).await? {
        None => Ok(None),
        Some(before) if before.request == asked.request => Ok(Some(before.response)),
        Some(_) => Err(ApiError::KeyReused),
    }
}
