//! `/jobs/{id}/explain`: why a job did or did not run, from the ledger. This gathers what is known; [`mod@answer`] says it.

mod answer;
mod words;

use super::params::Given;
use super::problem::ApiError;
use super::wire::{Explanation, Problem};
use super::{App, convert, jobs};
use crate::clock;
use crate::store::{FireFilter, FireRow, JobRow};
use answer::{AROUND, Facts, Revision, Seen, Trigger, answer};
use axum::Json;
use axum::extract::{Path, State};
use bog_domain::job::{Job, Timing};
use bog_domain::spec::JobSpec;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// Fires looked at on either side.
const MOST: u32 = 100;

/// How far ahead the next fire is looked for, step by step.
const AHEAD: [SignedDuration; 3] =
    [SignedDuration::from_hours(1), SignedDuration::from_hours(24), SignedDuration::from_hours(24 * 400)];

/// Why a job did or did not run at a time.
#[utoipa::path(get, path = "/jobs/{id}/explain", tag = "jobs", operation_id = "explain_job",
    params(("id" = String, Path, description = "The job"),
           ("at" = Option<String>, Query, description = "The time that is asked about (RFC 3339); now where left out")),
    responses((status = 200, body = Explanation), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    given: Given,
) -> Result<Json<Explanation>, ApiError> {
    let now = clock::now();
    let at = given.known(&["at"])?.time("at")?.unwrap_or(now);
    let row = jobs::find(&app, &id).await?;
    let (before, around, after) = fires(&app, &row, at).await?;
    let rows = before.iter().chain(&around).chain(&after).cloned();
    let fires = rows.map(convert::fire).collect::<Result<_, _>>()?;
    let facts = Facts {
        job: row.id.as_str(),
        at,
        now,
        zone: zone(&app, &row),
        max_runs_reached: app
            .jobs
            .parse(&row.id, &row.spec)
            .is_ok_and(|job| job.max_runs > 0 && row.run_count >= job.max_runs),
        invalid_edit: row.invalid.as_deref().map(convert::invalid_edit),
        revisions: revisions(&app, &row).await?,
        triggers: triggers(&app, &row).await?,
        around: seen(&app, around).await?,
        before: seen(&app, before).await?.pop(),
        after: seen(&app, after).await?.pop(),
    };
    Ok(Json(Explanation { job_id: row.id.to_string(), at, answer: answer(&facts), fires }))
}

/// The last fire before the time asked about, those around it, and the first after, each oldest first.
async fn fires(app: &App, job: &JobRow, at: Timestamp) -> Result<(Vec<FireRow>, Vec<FireRow>, Vec<FireRow>), ApiError> {
    let (from, until) = (earlier(at, AROUND), later(at, AROUND));
    let find = async |since: Option<Timestamp>, until: Option<Timestamp>, limit| {
        let filter = FireFilter { job: Some(job.id.clone()), disposition: None, since, until };
        let mut rows = app.store.fires(filter, None, limit).await?.items;
        // A job of the same id that was deleted is another job.
        rows.retain(|row| row.job_uid == job.uid);
        rows.sort_by_key(|row| row.due_at);
        Ok::<_, ApiError>(rows)
    };
    let around = find(Some(from), Some(until), MOST).await?;
    let mut before = find(None, Some(from), MOST).await?;
    before.retain(|row| row.until_at.unwrap_or(row.due_at) < from);
    let before = before.pop().into_iter().collect();
    let mut after = Vec::new();
    for ahead in AHEAD {
        let mut rows = find(Some(until), Some(later(until, ahead)), 1000).await?;
        rows.retain(|row| row.due_at >= until);
        if !rows.is_empty() {
            rows.truncate(1);
            after = rows;
            break;
        }
    }
    Ok((before, around, after))
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

async fn seen(app: &App, fires: Vec<FireRow>) -> Result<Vec<Seen>, ApiError> {
    let mut seen = Vec::with_capacity(fires.len());
    for fire in fires {
        let run = match fire.run_id {
            Some(id) => app.store.run(id).await?,
            None => None,
        };
        seen.push(Seen { fire, run });
    }
    Ok(seen)
}

async fn revisions(app: &App, job: &JobRow) -> Result<Vec<Revision>, ApiError> {
    let rows = app.store.revisions(job.uid).await?;
    let read = |row: crate::store::RevisionRow| {
        let spec: JobSpec = serde_json::from_str(&row.spec)?;
        let enabled = spec.enabled.unwrap_or(true);
        Ok(Revision { number: row.revision, author: row.author, at: row.created_at, enabled })
    };
    rows.into_iter().map(read).collect()
}

async fn triggers(app: &App, row: &JobRow) -> Result<Vec<Trigger>, ApiError> {
    let Ok(job) = app.jobs.parse(&row.id, &row.spec) else { return Ok(Vec::new()) };
    let known = app.store.triggers(row.uid).await?;
    let triggers = known.into_iter().filter_map(|memory| {
        let trigger = job.trigger(&memory.id)?;
        Some(Trigger {
            id: memory.id.clone(),
            kind: memory.kind,
            rule: trigger.waits_for().unwrap_or_else(|| rule(&trigger.timing)),
            schedule: trigger.schedule(memory.activated_at),
            jitter: trigger.jitter,
            activated_at: memory.activated_at,
            cursor: memory.cursor,
        })
    });
    Ok(triggers.collect())
}

fn rule(timing: &Timing) -> String {
    match timing {
        Timing::Cron { expr, zone } => format!("`{expr}` in {}", words::zone_name(zone)),
        Timing::Interval { every } => format!("every {}", words::span(*every)),
        Timing::Event => String::new(),
    }
}

/// The zone in which times are told: that of the job's first cron trigger, else the daemon's.
fn zone(app: &App, row: &JobRow) -> TimeZone {
    let zone_of = |job: Job| {
        job.triggers.into_iter().find_map(|trigger| match trigger.timing {
            Timing::Cron { zone, .. } => Some(zone),
            Timing::Interval { .. } | Timing::Event => None,
        })
    };
    let zone = app.jobs.parse(&row.id, &row.spec).ok().and_then(zone_of);
    zone.or_else(|| TimeZone::get(app.jobs.timezone()).ok()).unwrap_or(TimeZone::UTC)
}
