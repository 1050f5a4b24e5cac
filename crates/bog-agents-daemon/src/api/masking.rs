//! No answer holds the value of a known secret, whatever it is about: an error, an output, a job that was written carelessly.

use super::App;
use super::problem::ApiError;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use std::sync::Arc;

/// Marks an answer that is given as it is: the token that was asked for, and the text of a job's file, which would
/// otherwise come back changed from whoever edits it.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsItIs;

/// Masks every answer but those that are [`AsItIs`] and streams, whose messages are masked one by one as they are made.
pub(super) async fn mask(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    if response.extensions().get::<AsItIs>().is_some() || kind.starts_with(b"text/event-stream") {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return ApiError::Internal(format!("an answer cannot be made: {error}")).into_response(),
    };
    match app.secrets.mask().mask_json(&bytes) {
        Cow::Borrowed(_) => Response::from_parts(parts, Body::from(bytes)),
        Cow::Owned(masked) => {
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(masked))
        }
    }
}
