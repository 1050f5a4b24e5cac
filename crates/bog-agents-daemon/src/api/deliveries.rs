//! `/deliveries`: what was told to whom and what came of it, and telling it again; `/jobs/{id}/outputs/test`: whether a
//! job's outputs can be reached.

use super::params::{Given, cursor};
use super::problem::ApiError;
use super::wire::{Delivery, List, OutputTests, Problem};
use super::{App, convert, jobs};
use crate::clock;
use crate::store::{DeliveryFilter, DeliveryRow};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bog_domain::delivery::DeliveryState;
use bog_domain::ids::DeliveryId;
use std::sync::Arc;

/// Deliveries, newest first.
#[utoipa::path(get, path = "/deliveries", tag = "deliveries", operation_id = "list_deliveries",
    params(("job" = Option<String>, Query, description = "Only of this job"),
           ("run" = Option<String>, Query, description = "Only of this run"),
           ("state" = Option<String>, Query, description = "Only in this state"),
           ("since" = Option<String>, Query, description = "Only made at or after (RFC 3339)"),
           ("until" = Option<String>, Query, description = "Only made before (RFC 3339)"),
           ("limit" = Option<u32>, Query, description = "Items of a page, 1 to 1000; 100 where left out"),
           ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = List<Delivery>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn all(State(app): State<Arc<App>>, given: Given) -> Result<Json<List<Delivery>>, ApiError> {
    let params = given.known(&["job", "run", "state", "since", "until", "limit", "cursor"])?;
    let filter = DeliveryFilter {
        job: params.job()?,
        run: params.run()?,
        state: params.one_of("state", &DeliveryState::ALL)?,
        since: params.time("since")?,
        until: params.time("until")?,
    };
    let page = app.store.list_deliveries(filter, params.cursor()?, params.limit()?).await?;
    let items = page.items.into_iter().map(convert::delivery).collect();
    Ok(Json(List { items, next: page.next.map(cursor) }))
}

/// A delivery.
#[utoipa::path(get, path = "/deliveries/{id}", tag = "deliveries", operation_id = "get_delivery",
    params(("id" = String, Path, description = "The delivery")),
    responses((status = 200, body = Delivery), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Delivery>, ApiError> {
    Ok(Json(convert::delivery(find(&app, &id).await?)))
}

/// Makes a delivery once more, under the same id, at once; its deadline counts from now. No agent runs again. 202 means:
/// written down durably.
#[utoipa::path(post, path = "/deliveries/{id}/redeliver", tag = "deliveries", operation_id = "redeliver",
    params(("id" = String, Path, description = "The delivery")),
    responses((status = 202, body = Delivery), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn redeliver(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Delivery>), ApiError> {
    let delivery = find(&app, &id).await?.id;
    app.outbox.redeliver(delivery, clock::now()).await?;
    Ok((StatusCode::ACCEPTED, Json(convert::delivery(find(&app, &id).await?))))
}

/// Sends a sample, marked as one, to every output of a job, and answers what each of them did. Nothing of it is recorded.
#[utoipa::path(post, path = "/jobs/{id}/outputs/test", tag = "deliveries", operation_id = "test_outputs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = OutputTests), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn test(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<OutputTests>, ApiError> {
    let row = jobs::find(&app, &id).await?;
    let job = app.jobs.parse(&row.id, &row.spec)?;
    let samples = app.outbox.sample(&row, &job).await?;
    Ok(Json(OutputTests { items: samples.into_iter().map(convert::sampled).collect() }))
}

async fn find(app: &App, id: &str) -> Result<DeliveryRow, ApiError> {
    let parsed: DeliveryId = id.parse().map_err(|_| ApiError::no_delivery(id))?;
    app.store.delivery(parsed).await?.ok_or_else(|| ApiError::no_delivery(id))
}
