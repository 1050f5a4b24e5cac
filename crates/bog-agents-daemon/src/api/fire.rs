//! Firing by hand: `/jobs/{id}/run`, and `/runs/{id}/rerun`, which fires the job again with the same event.

use super::body::Raw;
use super::problem::ApiError;
use super::wire::{FireByHand, Fired, Problem};
use super::{App, convert, idempotency, jobs, runs};
use crate::inbox::ByHand;
use crate::store::{Accepted, Receipt};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bog_domain::cause;
use bog_domain::fire::{Cause, Disposition, Reason};
use serde_json::json;
use std::sync::Arc;

/// Fires a job by hand; a disabled one too. 202 means: written down durably.
#[utoipa::path(post, path = "/jobs/{id}/run", tag = "jobs", operation_id = "run_job", request_body = Option<FireByHand>,
    params(("id" = String, Path, description = "The job"),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of this request harmless")),
    responses((status = 202, body = Fired, headers(("Location" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn run(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, ApiError> {
    let answer = idempotency::asked(&headers, "POST /jobs/{id}/run", &format!("/jobs/{id}/run"), &body.bytes)?;
    // A repetition is answered even when the job is gone by now.
    if let Some(before) = idempotency::answered(&app.store, answer.as_ref()).await? {
        return answered(&serde_json::from_str(&before)?);
    }
    let FireByHand { payload } = body.shape()?;
    let job = jobs::uid(&app, &id).await?;
    let by_hand = ByHand { job, context: json!({ "payload": payload }), cause: cause_in(&headers), answer };
    accepted(&app.inbox.fire_by_hand(by_hand).await?, &id)
}

/// The cause that a request says it has: an agent's own calls carry it.
fn cause_in(headers: &HeaderMap) -> Cause {
    let values = headers.get_all(cause::HEADER).into_iter().filter_map(|value| value.to_str().ok());
    values.filter_map(Cause::from_header).max_by_key(|cause| cause.depth).unwrap_or_default()
}

/// Runs a job again for what fired this run: a new fire with the same event, caused by the first.
#[utoipa::path(post, path = "/runs/{id}/rerun", tag = "runs", operation_id = "rerun", params(("id" = String, Path, description = "The run")),
    responses((status = 202, body = Fired, headers(("Location" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn rerun(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let run = runs::find(&app, &id).await?;
    let fire = app.store.fire(run.fire_id).await?;
    let fire = fire.ok_or_else(|| {
        ApiError::NotFound(format!("the fire of run `{id}` is not kept any more: fire the job by hand"))
    })?;
    let context = serde_json::from_str(&fire.context)?;
    // The first fire stays the cause: it says how far the event is trusted.
    let cause = Cause { fire: Some(fire.id), depth: fire.cause.depth.max(cause_in(&headers).depth) };
    let by_hand = ByHand { job: run.job_uid, context, cause, answer: None };
    accepted(&app.inbox.fire_by_hand(by_hand).await?, run.job_id.as_str())
}

fn accepted(accepted: &Accepted, job: &str) -> Result<Response, ApiError> {
    match accepted {
        Accepted::Recorded(receipt) | Accepted::Duplicate(receipt) => answered(receipt),
        Accepted::KeyReused => Err(ApiError::KeyReused),
        Accepted::Gone => Err(ApiError::no_job(job)),
    }
}

fn answered(receipt: &Receipt) -> Result<Response, ApiError> {
    if receipt.disposition == Disposition::Refused {
        return Err(if receipt.reason.as_deref() == Some(Reason::Draining.as_str()) {
            ApiError::Draining
        } else {
            let detail = "as many runs of this job wait as its `max_queued` allows: wait, cancel some, or raise it";
            ApiError::QueueFull(format!("{detail}; recorded as fire `{}`", receipt.fire_id))
        });
    }
    let location = receipt.run_id.map_or_else(|| "/fires".to_owned(), |run| format!("/runs/{run}"));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(convert::fired(receipt))).into_response())
}
