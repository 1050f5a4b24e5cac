//! `/jobs/{id}/revisions`: what a job was, and who changed it.

use super::params::{Given, cursor};
use super::problem::ApiError;
use super::wire::{List, Problem, Revision};
use super::{App, convert, jobs};
use axum::Json;
use axum::extract::{Path, State};
use std::sync::Arc;

/// A job's revisions, newest first.
#[utoipa::path(get, path = "/jobs/{id}/revisions", tag = "jobs", operation_id = "list_job_revisions",
    params(("id" = String, Path, description = "The job"),
           ("limit" = Option<u32>, Query, description = "Items of a page, 1 to 1000; 100 where left out"),
           ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = List<Revision>),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_job(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    given: Given,
) -> Result<Json<List<Revision>>, ApiError> {
    let params = given.known(&["limit", "cursor"])?;
    let (limit, before) = (params.limit()? as usize, params.cursor::<u32>()?.unwrap_or(u32::MAX));
    let mut rows = app.store.revisions(jobs::find(&app, &id).await?.uid).await?;
    rows.retain(|row| row.revision < before);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|last| cursor(last.revision));
    let items = rows.into_iter().map(convert::revision).collect::<Result<_, _>>()?;
    Ok(Json(List { items, next }))
}
