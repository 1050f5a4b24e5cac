//! `/usage`: what runs have used, by day, job, model or run.

use super::App;
use super::params::Given;
use super::problem::ApiError;
use super::wire::{Problem, UsageBy, UsageLine, UsageTable};
use crate::clock;
use crate::store::UsageRow;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// What is looked at where `since` is left out.
const USUAL: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What was used, the last 30 days where nothing else is said. CSV on `Accept: text/csv`.
#[utoipa::path(get, path = "/usage", tag = "runs", operation_id = "usage",
    params(("by" = Option<String>, Query, description = "`day`, `job`, `model` or `run`; `day` where left out"),
           ("job" = Option<String>, Query, description = "Only of this job"),
           ("since" = Option<String>, Query, description = "Only attempts that ended at or after (RFC 3339)"),
           ("until" = Option<String>, Query, description = "Only attempts that ended before (RFC 3339)")),
    responses((status = 200, content((UsageTable = "application/json"), (String = "text/csv"))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn usage(State(app): State<Arc<App>>, headers: HeaderMap, given: Given) -> Result<Response, ApiError> {
    let params = given.known(&["by", "job", "since", "until"])?;
    let by = params.one_of("by", &UsageBy::ALL)?.unwrap_or(UsageBy::Day);
    let since = params.time("since")?.unwrap_or_else(|| clock::now() - USUAL);
    let until = params.time("until")?.unwrap_or(Timestamp::MAX);
    let rows = app.store.usage(params.job()?, since, until).await?;
    let zone = TimeZone::get(app.jobs.timezone()).unwrap_or(TimeZone::UTC);
    let table = table(&rows, by, &zone);
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.split([',', ';']).any(|kind| kind.trim() == "text/csv") {
        return Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], table.csv(by)).into_response());
    }
    Ok(Json(table).into_response())
}

fn table(rows: &[UsageRow], by: UsageBy, zone: &TimeZone) -> UsageTable {
    let key = |row: &UsageRow| match by {
        UsageBy::Day => row.at.to_zoned(zone.clone()).date().to_string(),
        UsageBy::Job => row.job_id.to_string(),
        UsageBy::Model => row.usage.model.clone(),
        UsageBy::Run => row.run_id.to_string(),
    };
    let mut lines: BTreeMap<String, (UsageLine, HashSet<_>)> = BTreeMap::new();
    let (mut total, mut runs) = (UsageLine { key: "total".to_owned(), ..UsageLine::default() }, HashSet::new());
    for row in rows {
        let (line, of_line) = lines.entry(key(row)).or_default();
        line.add(&row.usage);
        of_line.insert(row.run_id);
        total.add(&row.usage);
        runs.insert(row.run_id);
    }
    total.runs = runs.len() as u64;
    let items =
        lines.into_iter().map(|(key, (line, runs))| UsageLine { key, runs: runs.len() as u64, ..line }).collect();
    UsageTable { items, total }
}
