//! `/jobs`: made, read, changed, deleted.

use super::body::{Raw, Written, YAML};
use super::masking::AsItIs;
use super::params::{Given, cursor};
use super::problem::ApiError;
use super::wire::{Job, List, Problem};
use super::{App, CLIENT_HEADER, convert, idempotency};
use crate::jobs::{Author, JobsError, Version};
use crate::store::JobRow;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bog_domain::ids::{JobId, JobUid};
use bog_domain::spec::JobSpec;
use std::sync::Arc;

/// Who changes something, as kept with the revision.
pub(super) fn author(headers: &HeaderMap) -> Author {
    if headers.get(CLIENT_HEADER).is_some_and(|client| client == "cli") { Author::Cli } else { Author::Api }
}

/// The active job of an id.
pub(super) async fn find(app: &App, id: &str) -> Result<JobRow, ApiError> {
    // A text that is no id names no job: that is all its sender wants to know.
    let parsed: JobId = id.parse().map_err(|_| ApiError::no_job(id))?;
    app.store.job(parsed).await?.ok_or_else(|| ApiError::no_job(id))
}

/// The uid of the active job of an id.
pub(super) async fn uid(app: &App, id: &str) -> Result<JobUid, ApiError> {
    let parsed: JobId = id.parse().map_err(|_| ApiError::no_job(id))?;
    app.store.uid(parsed).await?.ok_or_else(|| ApiError::no_job(id))
}

/// A job and its file's text are two things: a text that is not valid belongs to no revision.
fn etag(version: &Version) -> String {
    match version {
        Version::Revision(number) => format!("\"{number}\""),
        Version::Text(digest) => format!("\"text-{digest}\""),
    }
}

/// A job with its revision as `ETag`. Its secrets are looked for now.
async fn answer(app: &App, row: JobRow) -> Result<Response, ApiError> {
    let etag = etag(&Version::Revision(row.revision));
    let mut job = convert::job(row, &app.jobs)?;
    job.warnings.extend(app.secrets.check(job.spec.written_secret_names()).await);
    Ok(([(header::ETAG, etag)], Json(job)).into_response())
}

async fn created(app: &App, row: JobRow) -> Result<Response, ApiError> {
    let location = format!("/jobs/{}", row.id);
    let mut response = answer(app, row).await?;
    *response.status_mut() = StatusCode::CREATED;
    let location = location.try_into().map_err(|_| ApiError::Internal("a job's id is no header".to_owned()))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// What the client means to change: a revision, or a text of the file.
fn if_match(headers: &HeaderMap) -> Result<Option<Version>, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let version = tag.and_then(|tag| match tag.strip_prefix("text-") {
        Some(digest) => Some(Version::Text(digest.to_owned())),
        None => tag.parse().ok().map(Version::Revision),
    });
    version.map(Some).ok_or_else(|| {
        ApiError::parameter(
            "If-Match",
            format!("`{text}` is not a revision: send the `ETag` as it came, for example `\"3\"`"),
        )
    })
}

/// All jobs, by id.
#[utoipa::path(get, path = "/jobs", tag = "jobs", operation_id = "list_jobs",
    params(("limit" = Option<u32>, Query, description = "Items of a page, 1 to 1000; 100 where left out"),
           ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, body = List<Job>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn all(State(app): State<Arc<App>>, given: Given) -> Result<Json<List<Job>>, ApiError> {
    let params = given.known(&["limit", "cursor"])?;
    let limit = params.limit()?;
    let mut rows = app.store.jobs(params.cursor()?, limit + 1).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|last| cursor(&last.id));
    let mut items = rows.into_iter().map(|row| convert::job(row, &app.jobs)).collect::<Result<Vec<_>, _>>()?;
    for job in &mut items {
        job.warnings.extend(app.secrets.last_warnings(job.spec.written_secret_names()));
    }
    Ok(Json(List { items, next }))
}

/// Makes a job, of its fields or of its file's text, which is kept as it is, comments and all. Its id is `id` in the job,
/// else the parameter, else the name as a slug.
#[utoipa::path(post, path = "/jobs", tag = "jobs", operation_id = "create_job",
    request_body(content((JobSpec = "application/json"), (String = "application/yaml"))),
    params(("id" = Option<String>, Query, description = "With a text: the job's id, where the text names none"),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition of this request harmless")),
    responses((status = 201, body = Job, headers(("Location" = String), ("ETag" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    given: Given,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, ApiError> {
    let id = given.known(&["id"])?.id()?;
    let path = id.as_ref().map_or_else(|| "/jobs".to_owned(), |id| format!("/jobs?id={id}"));
    let asked = idempotency::asked(&headers, "POST /jobs", &path, &body.bytes)?;
    if let Some(id) = idempotency::answered(&app.store, asked.as_ref()).await? {
        return created_before(&app, &id).await;
    }
    let author = author(&headers);
    let made = match body.job()? {
        Written::Spec(_) if id.is_some() => {
            let detail = "`id` goes with a text as `application/yaml`: in JSON it is a field of the job";
            return Err(ApiError::parameter("id", detail));
        }
        Written::Spec(spec) => app.jobs.create(*spec, author, asked.clone()).await,
        Written::Text(text) => app.jobs.create_text(id, text, author, asked.clone()).await,
    };
    match made {
        Ok(row) => created(&app, row).await,
        // The same request may have come twice at once: the other one made it.
        Err(error @ JobsError::Conflict(_)) => match idempotency::answered(&app.store, asked.as_ref()).await? {
            Some(id) => created_before(&app, &id).await,
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// The answer to a repetition: the job that the first request made, as it is now.
async fn created_before(app: &App, id: &str) -> Result<Response, ApiError> {
    match find(app, id).await {
        Ok(row) => created(app, row).await,
        Err(ApiError::NotFound(_)) => Err(ApiError::Conflict(format!(
            "this request made the job `{id}`, and it was deleted since: use a new key"
        ))),
        Err(error) => Err(error),
    }
}

/// A job; its file's text, as it is, where `Accept` is `application/yaml`.
#[utoipa::path(get, path = "/jobs/{id}", tag = "jobs", operation_id = "get_job", params(("id" = String, Path, description = "The job")),
    responses((status = 200, content((Job = "application/json"), (String = "application/yaml")), headers(("ETag" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let row = find(&app, &id).await?;
    if !headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(YAML.as_bytes())) {
        return answer(&app, row).await;
    }
    let text = app.jobs.text(&row.id).await?;
    let headers = [(header::ETAG, etag(&Version::of_text(&text))), (header::CONTENT_TYPE, YAML.to_owned())];
    Ok((Extension(AsItIs), headers, text).into_response())
}

/// Replaces a job, by its fields or by its file's text, which is kept as it is, comments and all.
#[utoipa::path(put, path = "/jobs/{id}", tag = "jobs", operation_id = "replace_job",
    request_body(content((JobSpec = "application/json"), (String = "application/yaml"))),
    params(("id" = String, Path, description = "The job"),
           ("If-Match" = Option<String>, Header, description = "The revision or the text that is meant, as in `ETag`")),
    responses((status = 200, body = Job, headers(("ETag" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn replace(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, ApiError> {
    let (id, if_match) = (find(&app, &id).await?.id, if_match(&headers)?);
    let author = author(&headers);
    let row = match body.job()? {
        Written::Spec(spec) => app.jobs.replace(id, *spec, if_match, author).await?,
        Written::Text(text) => app.jobs.replace_text(id, text, if_match, author).await?,
    };
    answer(&app, row).await
}

/// Changes some fields of a job (JSON merge patch, RFC 7396).
#[utoipa::path(patch, path = "/jobs/{id}", tag = "jobs", operation_id = "patch_job",
    request_body(content = serde_json::Value, content_type = "application/merge-patch+json"),
    params(("id" = String, Path, description = "The job"),
           ("If-Match" = Option<String>, Header, description = "The revision or the text that is meant, as in `ETag`")),
    responses((status = 200, body = Job, headers(("ETag" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, ApiError> {
    let (id, if_match) = (find(&app, &id).await?.id, if_match(&headers)?);
    let merge = body.some_json()?;
    if !merge.is_object() {
        return Err(ApiError::Malformed(
            "a merge patch is a JSON object: the fields to change; `null` removes one".to_owned(),
        ));
    }
    answer(&app, app.jobs.patch(id, merge, if_match, author(&headers)).await?).await
}

/// Deletes a job: its file and its triggers. Its history stays.
#[utoipa::path(delete, path = "/jobs/{id}", tag = "jobs", operation_id = "delete_job",
    params(("id" = String, Path, description = "The job"),
           ("If-Match" = Option<String>, Header, description = "The revision or the text that is meant, as in `ETag`")),
    responses((status = 204), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let id = find(&app, &id).await?.id;
    app.jobs.delete(id, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a job's triggers fire.
#[utoipa::path(post, path = "/jobs/{id}/enable", tag = "jobs", operation_id = "enable_job", params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Job, headers(("ETag" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn enable(state: State<Arc<App>>, id: Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    switch(state, id, headers, true).await
}

/// Keeps a job's triggers from firing.
#[utoipa::path(post, path = "/jobs/{id}/disable", tag = "jobs", operation_id = "disable_job", params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Job, headers(("ETag" = String))),
              (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn disable(
    state: State<Arc<App>>,
    id: Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    switch(state, id, headers, false).await
}

async fn switch(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    enabled: bool,
) -> Result<Response, ApiError> {
    let id = find(&app, &id).await?.id;
    answer(&app, app.jobs.set_enabled(id, enabled, author(&headers)).await?).await
}
