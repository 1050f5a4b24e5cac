//! `/runs`: what ran, runs and waits; and cancelling it.

use super::body::Raw;
use super::params::{Given, Params, cursor};
use super::problem::ApiError;
use super::wire::{CancelRun, List, Problem, ResumeRun, Run};
use super::{App, convert, jobs};
use crate::store::{Amount, Cancelled, More, Resumed, RunFilter, RunRow};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use bog_domain::error::SpecError;
use bog_domain::ids::{JobId, RunId};
use bog_domain::run::{Outcome, RunState};
use std::collections::HashMap;
use std::sync::Arc;

/// Characters of the reason why a run is cancelled.
const MAX_REASON: usize = 1000;

/// The run of an id.
pub(super) async fn find(app: &App, id: &str) -> Result<RunRow, ApiError> {
    let parsed: RunId = id.parse().map_err(|_| ApiError::no_run(id))?;
    app.store.run(parsed).await?.ok_or_else(|| ApiError::no_run(id))
}

/// A run with everything that is known of it.
pub(super) async fn whole(app: &App, row: RunRow) -> Result<Run, ApiError> {
    let output = app.store.output(row.id).await?;
    let containment = app.store.containment(row.id).await?;
    let deliveries = app.store.deliveries(row.id).await?;
    Ok(convert::whole_run(row, output, containment, deliveries))
}

/// Runs, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs", operation_id = "list_runs",
    params(("job" = Option<String>, Query, description = "Only of this job"),
           ("state" = Option<String>, Query, description = "Only in this state"),
           ("outcome" = Option<String>, Query, description = "Only with this outcome"),
           ("since" = Option<String>, Query, description = "Only queued at or after (RFC 3339)"),
           ("until" = Option<String>, Query, description = "Only queued before (RFC 3339)"),
           ("limit" = Option<u32>, Query, description = "Items of a page, 1 to 1000; 100 where left out"),
           ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = List<Run>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn all(State(app): State<Arc<App>>, given: Given) -> Result<Json<List<Run>>, ApiError> {
    let params = given.known(&["job", "state", "outcome", "since", "until", "limit", "cursor"])?;
    Ok(Json(page(&app, params.job()?, &params).await?))
}

/// A job's runs, newest first; those of a deleted job too.
#[utoipa::path(get, path = "/jobs/{id}/runs", tag = "runs", operation_id = "list_job_runs",
    params(("id" = String, Path, description = "The job"),
           ("state" = Option<String>, Query, description = "Only in this state"),
           ("outcome" = Option<String>, Query, description = "Only with this outcome"),
           ("since" = Option<String>, Query, description = "Only queued at or after (RFC 3339)"),
           ("until" = Option<String>, Query, description = "Only queued before (RFC 3339)"),
           ("limit" = Option<u32>, Query, description = "Items of a page, 1 to 1000; 100 where left out"),
           ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = List<Run>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn of_job(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    given: Given,
) -> Result<Json<List<Run>>, ApiError> {
    let params = given.known(&["state", "outcome", "since", "until", "limit", "cursor"])?;
    let job: JobId = id.parse().map_err(|_| ApiError::no_job(&id))?;
    let page = page(&app, Some(job), &params).await?;
    if page.items.is_empty() {
        // Nothing there: was there ever such a job?
        jobs::find(&app, &id).await?;
    }
    Ok(Json(page))
}

async fn page(app: &App, job: Option<JobId>, params: &Params) -> Result<List<Run>, ApiError> {
    let filter = RunFilter {
        job,
        state: params.one_of("state", &RunState::ALL)?,
        outcome: params.one_of("outcome", &Outcome::ALL)?,
        since: params.time("since")?,
        until: params.time("until")?,
    };
    let page = app.store.runs(filter, params.cursor()?, params.limit()?).await?;
    let mut gave_up: HashMap<RunId, Vec<(String, String)>> = HashMap::new();
    for (run, target, error) in app.store.gave_up(page.items.iter().map(|row| row.id).collect()).await? {
        gave_up.entry(run).or_default().push((target, error));
    }
    let whole = |row: RunRow| {
        let gave_up = gave_up.remove(&row.id).unwrap_or_default();
        convert::run(row, gave_up)
    };
    Ok(List { items: page.items.into_iter().map(whole).collect(), next: page.next.map(cursor) })
}

/// A run, with all of its output, what held it, and its deliveries.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", operation_id = "get_run", params(("id" = String, Path, description = "The run")),
    responses((status = 200, body = Run), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Run>, ApiError> {
    let row = find(&app, &id).await?;
    Ok(Json(whole(&app, row).await?))
}

/// Cancels a run: 200 when it waited and is over, 202 when it runs and was asked to end.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs", operation_id = "cancel_run", request_body = Option<CancelRun>,
    params(("id" = String, Path, description = "The run")),
    responses((status = 200, body = Run), (status = 202, body = Run),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Raw,
) -> Result<(StatusCode, Json<Run>), ApiError> {
    let run = find(&app, &id).await?.id;
    let CancelRun { reason } = body.shape()?;
    let status = match app.inbox.cancel(run, by_hand(reason.as_deref())?).await? {
        Cancelled::Now => StatusCode::OK,
        Cancelled::Asked(_) => StatusCode::ACCEPTED,
        Cancelled::AlreadyFinished => {
            return Err(ApiError::Conflict(format!("run `{id}` is over already: there is nothing to cancel")));
        }
        Cancelled::NoSuchRun => return Err(ApiError::no_run(&id)),
    };
    let row = find(&app, &id).await?;
    Ok((status, Json(whole(&app, row).await?)))
}

/// Goes on with a run that stopped at its budget.
#[utoipa::path(post, path = "/runs/{id}/resume", tag = "runs", operation_id = "resume_run", request_body = Option<ResumeRun>,
    params(("id" = String, Path, description = "The run")),
    responses((status = 202, body = Run), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Raw,
) -> Result<(StatusCode, Json<Run>), ApiError> {
    let run = find(&app, &id).await?.id;
    let ResumeRun { budget_usd, budget_tokens } = body.shape()?;
    if budget_usd.is_some_and(|usd| !usd.is_finite() || usd <= 0.0) {
        return Err(SpecError::new("budget_usd", "no amount of money: more than 0 US dollars").into());
    }
    match app.inbox.resume(run, More { usd: budget_usd, tokens: budget_tokens }).await? {
        Resumed::Now => {}
        Resumed::NotPaused(state) => {
            return Err(ApiError::Conflict(format!("run `{id}` is `{state}`: only a paused run can be resumed")));
        }
        Resumed::TooLittle { amount, spent_usd, spent_tokens } => {
            return Err(too_little(amount, spent_usd, spent_tokens).into());
        }
        Resumed::NoSuchRun => return Err(ApiError::no_run(&id)),
    }
    let row = find(&app, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(whole(&app, row).await?)))
}

fn too_little(amount: Option<Amount>, spent_usd: f64, spent_tokens: u64) -> SpecError {
    match amount {
        Some(Amount::Usd) => SpecError::new(
            "budget_usd",
            format!("the run has cost ${spent_usd:.4} already: name more, it is what the run may cost in all"),
        ),
        Some(Amount::Tokens) => SpecError::new(
            "budget_tokens",
            format!("the run has used {spent_tokens} tokens already: name more, it is what the run may use in all"),
        ),
        None => SpecError::new(
            "budget_usd",
            format!(
                "the run stopped at what its job allows it, at ${spent_usd:.4} and {spent_tokens} tokens: name what it may cost \
                 in all, or use in all with `budget_tokens`"
            ),
        ),
    }
}

/// What a run says that was cancelled by hand.
fn by_hand(reason: Option<&str>) -> Result<String, SpecError> {
    match reason.map(str::trim).filter(|reason| !reason.is_empty()) {
        None => Ok("cancelled by hand".to_owned()),
        Some(reason) if reason.chars().count() > MAX_REASON => {
            Err(SpecError::new("reason", format!("it is too long: at most {MAX_REASON} characters are kept")))
        }
        Some(reason) => Ok(format!("cancelled by hand: {reason}")),
    }
}
