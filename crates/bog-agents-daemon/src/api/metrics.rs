//! `/metrics`: OpenMetrics text, which Prometheus reads, or the same samples as JSON.

use super::App;
use super::params::Given;
use super::problem::ApiError;
use super::wire::Problem;
use crate::clock;
use crate::telemetry::Sample;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The content type of OpenMetrics text.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What has been counted and measured. JSON on `Accept: application/json`.
#[utoipa::path(get, path = "/metrics", tag = "daemon", operation_id = "metrics",
    responses((status = 200, content((String = "application/openmetrics-text"), (Vec<Sample> = "application/json"))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn metrics(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    given: Given,
) -> Result<Response, ApiError> {
    given.known(&[])?;
    let counts = app.store.counts().await?;
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.split([',', ';']).any(|kind| kind.trim() == "application/json") {
        return Ok(Json(app.metrics.samples(&counts, clock::now())).into_response());
    }
    Ok(([(header::CONTENT_TYPE, OPENMETRICS)], app.metrics.encode(&counts, clock::now())).into_response())
}
