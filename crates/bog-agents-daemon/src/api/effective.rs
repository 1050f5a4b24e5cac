//! `/jobs/{id}/effective`: what a job's runs really get.

use super::problem::ApiError;
use super::wire::{Effective, Problem};
use super::{App, jobs};
use axum::Json;
use axum::extract::{Path, State};
use std::sync::Arc;

/// What the runs of a job get, for each of its triggers and by hand, after tiers, defaults and ceilings.
#[utoipa::path(get, path = "/jobs/{id}/effective", tag = "jobs", operation_id = "effective_grant",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Effective), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn effective(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Effective>, ApiError> {
    let row = jobs::find(&app, &id).await?;
    Ok(Json(Effective::of(&app.jobs.parse(&row.id, &row.spec)?, row.revision)))
}
