//! `/health` for people and programs with the token; `/livez` and `/readyz`, which tell anyone yes or no and no more.

use super::App;
use super::params::Given;
use super::problem::ApiError;
use super::wire::{Health, Problem};
use crate::clock;
use crate::store::{FailingTarget, Incident};
use crate::telemetry::lag;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A slot overdue by more than this means that the scheduler does not keep up.
const TOO_LATE: Duration = Duration::from_secs(60);

/// How far back deliveries count that gave up.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How the daemon is.
#[utoipa::path(get, path = "/health", tag = "daemon", operation_id = "health",
    responses((status = 200, body = Health), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn health(State(app): State<Arc<App>>, given: Given) -> Result<Json<Health>, ApiError> {
    given.known(&[])?;
    let mut problems = app.problems.all();
    // A store that cannot be read is what this answer is for, not a reason to give none.
    let counts = app.store.counts().await.unwrap_or_else(|error| {
        problems.push(error.to_string());
        Default::default()
    });
    let now = clock::now();
    let deliveries_lost = app.store.lost_deliveries(now - DAY).await.unwrap_or_default();
    problems.extend(app.store.failing_targets(now).await.unwrap_or_default().iter().map(|one| failing(one, now)));
    // Requests to these paths are refused until somebody puts it right.
    let needed = app.store.route_secrets().await.unwrap_or_default();
    problems.extend(app.secrets.missing(needed).into_iter().map(|missing| format!("webhooks are refused: {missing}")));
    let lag = lag(&counts, now);
    if lag > TOO_LATE {
        problems.push(format!("a slot is overdue by {} s: the scheduler does not keep up", lag.as_secs()));
    }
    problems.extend(app.store.incidents(clock::now()).await.unwrap_or_default().iter().map(in_a_loop));
    let status = match (app.inbox.is_draining(), problems.is_empty()) {
        (true, _) => "draining",
        (false, false) => "degraded",
        (false, true) => "ok",
    };
    Ok(Json(Health {
        status: status.to_owned(),
        problems,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        data_dir: app.data_dir.display().to_string(),
        started_at: app.started_at,
        job_count: counts.jobs,
        running: counts.running,
        queued: counts.queued,
        deliveries_pending: counts.deliveries.iter().map(|(_, count)| count).sum(),
        deliveries_lost,
        scheduler_lag_ms: u64::try_from(lag.as_millis()).unwrap_or(u64::MAX),
        next_fire_at: counts.next_slot,
        orphans_ended: counts.orphans.ended,
        last_orphan_at: counts.orphans.last_at,
    }))
}

fn in_a_loop(incident: &Incident) -> String {
    let Incident { job, blocked, last_at, reason } = incident;
    format!(
        "job `{job}` is in a loop: {blocked} of its fires were blocked ({reason}), the last at {last_at}; see \
         `bog-agents-daemon fires list --job {job} --disposition blocked`, then change the job or its `loops`"
    )
}

fn failing(target: &FailingTarget, now: Timestamp) -> String {
    let FailingTarget { target, count, since, error } = target;
    let deliveries = if *count == 1 { "1 delivery waits".to_owned() } else { format!("{count} deliveries wait") };
    let minutes = now.duration_since(*since).as_mins();
    format!("`{target}` has taken nothing for {minutes} minutes, {deliveries}: {error}")
}

/// Whether the process answers.
#[utoipa::path(get, path = "/livez", tag = "daemon", operation_id = "livez", security(()), responses((status = 200, body = String)))]
pub(super) async fn livez() -> &'static str {
    "yes\n"
}

/// Whether it takes work.
#[utoipa::path(get, path = "/readyz", tag = "daemon", operation_id = "readyz", security(()),
    responses((status = 200, body = String), (status = 503, body = String)))]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.inbox.is_draining() || app.store.next_slot().await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "no\n");
    }
    (StatusCode::OK, "yes\n")
}
