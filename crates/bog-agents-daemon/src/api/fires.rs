//! `/fires`: the ledger, each due slot and accepted event with what became of it.

use super::params::{Given, Params, cursor};
use super::problem::ApiError;
use super::wire::{Fire, List, Problem};
use super::{App, convert, jobs};
use crate::store::FireFilter;
use axum::Json;
use axum::extract::{Path, State};
use bog_domain::fire::Disposition;
use bog_domain::ids::JobId;
use std::sync::Arc;

/// Fires, newest first.
#[utoipa::path(get, path = "/fires", tag = "fires", operation_id = "list_fires",
    params(("job" = Option<String>, Query, description = "Only of this job"),
           ("disposition" = Option<String>, Query, description = "Only of this disposition"),
           ("since" = Option<String>, Query, description = "Only due at or after (RFC 3339)"),
           ("until" = Option<String>, Query, description = "Only due before (RFC 3339)"),
           ("limit" = Option<u32>, Query, description = "Items of a page, 1 to 1000; 100 where left out"),
           ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = List<Fire>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn all(State(app): State<Arc<App>>, given: Given) -> Result<Json<List<Fire>>, ApiError> {
    let params = given.known(&["job", "disposition", "since", "until", "limit", "cursor"])?;
    Ok(Json(page(&app, params.job()?, &params).await?))
}

/// A job's fires, newest first; those of a deleted job too.
#[utoipa::path(get, path = "/jobs/{id}/fires", tag = "fires", operation_id = "list_job_fires",
    params(("id" = String, Path, description = "The job"),
           ("disposition" = Option<String>, Query, description = "Only of this disposition"),
           ("since" = Option<String>, Query, description = "Only due at or after (RFC 3339)"),
           ("until" = Option<String>, Query, description = "Only due before (RFC 3339)"),
           ("limit" = Option<u32>, Query, description = "Items of a page, 1 to 1000; 100 where left out"),
           ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = List<Fire>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_job(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    given: Given,
) -> Result<Json<List<Fire>>, ApiError> {
    let params = given.known(&["disposition", "since", "until", "limit", "cursor"])?;
    let job: JobId = id.parse().map_err(|_| ApiError::no_job(&id))?;
    let page = page(&app, Some(job), &params).await?;
    if page.items.is_empty() {
        // Nothing there: was there ever such a job?
        jobs::find(&app, &id).await?;
    }
    Ok(Json(page))
}

/// One fire, with all of its event: lists leave out what is long.
#[utoipa::path(get, path = "/fires/{id}", tag = "fires", operation_id = "show_fire", params(("id" = String, Path, description = "The fire")),
    responses((status = 200, body = Fire), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Fire>, ApiError> {
    let fire = app.store.fire(id.parse()?).await?;
    let fire =
        fire.ok_or_else(|| ApiError::NotFound(format!("there is no fire `{id}`: `GET /fires` lists those there are")))?;
    Ok(Json(convert::whole_fire(fire)?))
}

async fn page(app: &App, job: Option<JobId>, params: &Params) -> Result<List<Fire>, ApiError> {
    let filter = FireFilter {
        job,
        disposition: params.one_of("disposition", &Disposition::ALL)?,
        since: params.time("since")?,
        until: params.time("until")?,
    };
    let page = app.store.fires(filter, params.cursor()?, params.limit()?).await?;
    let items = page.items.into_iter().map(convert::fire).collect::<Result<_, _>>()?;
    Ok(List { items, next: page.next.map(cursor) })
}
