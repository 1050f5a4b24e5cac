//! What is done to the daemon itself: draining it, and giving it a new token.

use super::App;
use super::TOKEN;
use super::health;
use super::masking::AsItIs;
use super::params::Given;
use super::problem::ApiError;
use super::wire::{Health, NewToken, Problem};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::{Extension, Json};
use std::sync::Arc;

/// Takes no new work from now on; what runs goes on.
#[utoipa::path(post, path = "/drain", tag = "daemon", operation_id = "drain",
    responses((status = 202, body = Health), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn drain(state: State<Arc<App>>, given: Given) -> Result<(StatusCode, Json<Health>), ApiError> {
    state.inbox.drain();
    Ok((StatusCode::ACCEPTED, health::health(state, given).await?))
}

/// Makes a new token. The one of this request is refused from then on.
#[utoipa::path(post, path = "/admin/rotate-token", tag = "daemon", operation_id = "rotate_token",
    responses((status = 200, body = NewToken), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rotate_token(
    State(app): State<Arc<App>>,
) -> Result<(Extension<AsItIs>, [(HeaderName, &'static str); 1], Json<NewToken>), ApiError> {
    let token = app.token.clone();
    let rotated = crate::tasks::blocking(move || token.rotate()).await;
    match rotated {
        Ok(Ok(())) => {
            app.secrets.learn(TOKEN, &app.token.expose().into());
            let answer = NewToken { token: app.token.expose() };
            Ok((Extension(AsItIs), [(header::CACHE_CONTROL, "no-store")], Json(answer)))
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::StorageFull => Err(crate::store::StoreError::Full.into()),
        Ok(Err(error)) => {
            Err(ApiError::Unavailable(format!("the new token cannot be written: {error}; the old one stays")))
        }
        Err(error) => Err(ApiError::Internal(format!("rotating the token: {error}"))),
    }
}
