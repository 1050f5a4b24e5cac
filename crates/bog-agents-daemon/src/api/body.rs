//! Request bodies: read within bounds, as JSON, and a job's also as the text of its file.

use super::problem::ApiError;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bog_domain::error::SpecError;
use bog_domain::spec::{JobSpec, yaml};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

/// The longest body that is read.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// The media type of a job file (RFC 9512).
pub(super) const YAML: &str = "application/yaml";

/// How long a body may take to arrive.
const MAX_TIME: Duration = Duration::from_secs(30);

/// What a body may bring however slowly. Beyond it takes room that others wait for, and must not stall.
const UNHURRIED: usize = 64 << 10;

/// What a longer body must bring besides in each [`WINDOW`].
const LEAST: usize = 64 << 10;

/// Over this time a long body's progress is measured.
const WINDOW: Duration = Duration::from_secs(5);

/// How much of a body that is refused anyway is read, so that its sender gets to read the answer.
const DRAIN_BYTES: usize = 8 * MAX_BYTES;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// A body as it came: at most [`MAX_BYTES`].
#[derive(Debug)]
pub(super) struct Raw {
    /// The bytes.
    pub(super) bytes: Bytes,
    /// `Content-Type` without parameters, in lower case; empty where there is none.
    media_type: String,
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let media_type = media_type(request.headers());
        let bytes = within(request.into_body(), MAX_BYTES, |_| Ok(())).await?;
        Ok(Self { bytes, media_type })
    }
}

/// A job as it came.
#[derive(Debug)]
pub(super) enum Written {
    /// Its fields, as JSON.
    Spec(Box<JobSpec>),
    /// The text of its file.
    Text(String),
}

impl Raw {
    /// The body as a job: fields as JSON, or a file's text as YAML.
    pub(super) fn job(&self) -> Result<Written, ApiError> {
        if self.media_type != YAML {
            let spec = self.json_or(&format!("a job is `Content-Type: application/json` or `{YAML}`"))?;
            return Ok(Written::Spec(Box::new(yaml::from_json(spec.ok_or_else(empty)?)?)));
        }
        let text = String::from_utf8(self.bytes.to_vec());
        text.map(Written::Text)
            .map_err(|_| ApiError::Malformed("the body is not UTF-8 text: send it as UTF-8".to_owned()))
    }

    /// The body as JSON; `None` where it is empty.
    pub(super) fn json(&self) -> Result<Option<Value>, ApiError> {
        self.json_or("the body must be `Content-Type: application/json`")
    }

    /// The body as JSON, `None` where it is empty; another kind of body is told what is `allowed`.
    fn json_or(&self, allowed: &str) -> Result<Option<Value>, ApiError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let is_json = self.media_type == "application/json"
            || self.media_type.starts_with("application/") && self.media_type.ends_with("+json");
        if !is_json {
            let given =
                if self.media_type.is_empty() { "nothing".to_owned() } else { format!("`{}`", self.media_type) };
            return Err(ApiError::MediaType(format!("{allowed}, not {given}")));
        }
        let value = serde_json::from_slice(&self.bytes)
            .map_err(|error| ApiError::Malformed(format!("not valid JSON: {error}")))?;
        Ok(Some(value))
    }

    /// The body as JSON; an empty one is an error.
    pub(super) fn some_json(&self) -> Result<Value, ApiError> {
        self.json()?.ok_or_else(empty)
    }

    /// The body as a small shape of the API's own; the default where it is empty.
    pub(super) fn shape<T: DeserializeOwned + Default>(&self) -> Result<T, ApiError> {
        let Some(value) = self.json()? else { return Ok(T::default()) };
        serde_json::from_value(value).map_err(|error| ApiError::Invalid(SpecError::new("", error)))
    }
}

fn empty() -> ApiError {
    ApiError::Malformed("the body is empty: send a JSON object".to_owned())
}

fn media_type(headers: &HeaderMap) -> String {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a whole body of at most `max` bytes, in time and, where it is long, without a pause. Before a piece of so many bytes is kept, `keep` may refuse it.
pub(super) async fn within(
    body: Body,
    max: usize,
    keep: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    tokio::time::timeout(MAX_TIME, read(body, max, keep)).await.map_err(|_| ApiError::SlowBody)?
}

async fn read(
    mut body: Body,
    max: usize,
    mut keep: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    let (mut until, mut before) = (Instant::now() + WINDOW, 0);
    loop {
        let Ok(data) = tokio::time::timeout_at(until, next(&mut body)).await else {
            if bytes.len() > UNHURRIED && bytes.len() - before < LEAST {
                return Err(ApiError::SlowBody);
            }
            (until, before) = (Instant::now() + WINDOW, bytes.len());
            continue;
        };
        let Some(data) = data? else { return Ok(bytes.freeze()) };
        let kept = if bytes.len() + data.len() > max { Err(ApiError::TooLarge(max)) } else { keep(data.len()) };
        if let Err(refused) = kept {
            drain(body).await;
            return Err(refused);
        }
        bytes.extend_from_slice(&data);
    }
}

/// The next piece of a body; trailers are not ours.
async fn next(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::Malformed(format!("the body broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// Reads and forgets what is left of a body, within bounds. A sender that is still sending when the connection closes
/// would never see the answer.
pub(super) async fn drain(mut body: Body) {
    let all = async {
        let mut left = DRAIN_BYTES;
        while let Ok(Some(data)) = next(&mut body).await {
            left = left.saturating_sub(data.len());
            if left == 0 {
                return;
            }
        }
    };
    // Past the bound the sender has had its chance.
    let _ = tokio::time::timeout(DRAIN_TIME, all).await;
}
