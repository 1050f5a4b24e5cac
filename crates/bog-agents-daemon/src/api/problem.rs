//! Errors as `application/problem+json` (RFC 9457), in one exhaustive match.

use super::wire::Problem;
use crate::jobs::JobsError;
use crate::store::StoreError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bog_domain::error::SpecError;
use bog_domain::ids::IdError;
use std::fmt;

/// Why a request is refused or failed.
#[derive(Debug)]
pub(super) enum ApiError {
    /// A parameter or header is wrong.
    Parameter { name: String, detail: String },
    /// The body is no JSON.
    Malformed(String),
    /// No token, or another.
    Unauthorized,
    /// Asked for under a name that is not ours.
    WrongHost(String),
    /// There is no such thing.
    NotFound(String),
    /// The path exists, but not with this method.
    MethodNotAllowed(String),
    /// The body did not arrive in time.
    SlowBody,
    /// Something stands in the way.
    Conflict(String),
    /// The thing has changed meanwhile.
    Stale { wanted: u32, current: u32 },
    /// The body is longer than so many bytes.
    TooLarge(usize),
    /// Nobody who has the secret signed the request.
    BadSignature,
    /// More requests than are taken; there will be room after so many seconds.
    TooMany(u16),
    /// The body is of another kind.
    MediaType(String),
    /// The content is not valid.
    Invalid(SpecError),
    /// The idempotency key was used for another request.
    KeyReused,
    /// The job's queue is full.
    QueueFull(String),
    /// A defect.
    Internal(String),
    /// The daemon takes no new work.
    Draining,
    /// The store cannot be used at the moment.
    Unavailable(String),
    /// The answer took too long.
    Timeout,
    /// No space is left.
    Full(String),
}

impl ApiError {
    /// A wrong parameter or header.
    pub(super) fn parameter(name: &str, detail: impl fmt::Display) -> Self {
        Self::Parameter { name: name.to_owned(), detail: detail.to_string() }
    }

    /// There is no such job.
    pub(super) fn no_job(id: &str) -> Self {
        Self::NotFound(format!(
            "there is no job `{id}`: `bog-agents-daemon job list` or `GET /jobs` shows those there are"
        ))
    }

    /// There is no such run.
    pub(super) fn no_run(id: &str) -> Self {
        Self::NotFound(format!(
            "there is no run `{id}`: `bog-agents-daemon runs list` or `GET /runs` shows those there are"
        ))
    }

    /// There is no such delivery.
    pub(super) fn no_delivery(id: &str) -> Self {
        Self::NotFound(format!(
            "there is no delivery `{id}`: `bog-agents-daemon deliveries list` or `GET /deliveries` shows those there are"
        ))
    }

    /// Status, name and title.
    fn class(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Parameter { .. } => (StatusCode::BAD_REQUEST, "bad-parameter", "A parameter is wrong"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed-body", "The body cannot be read"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "The token is missing or wrong"),
            Self::WrongHost(_) => (StatusCode::MISDIRECTED_REQUEST, "wrong-host", "The host is not this daemon"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::MethodNotAllowed(_) => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here")
            }
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "slow-body", "The body did not arrive in time"),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Something stands in the way"),
            Self::Stale { .. } => (StatusCode::PRECONDITION_FAILED, "stale", "The job has changed meanwhile"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long"),
            Self::BadSignature => (StatusCode::UNAUTHORIZED, "bad-signature", "The signature is missing or wrong"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests come at once"),
            Self::MediaType(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is of another kind")
            }
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The content is not valid"),
            Self::KeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "key-reused", "The idempotency key belongs to another request")
            }
            Self::QueueFull(_) => (StatusCode::TOO_MANY_REQUESTS, "queue-full", "The queue of the job is full"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "The daemon has a defect"),
            Self::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining", "The daemon takes no new work"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The store cannot be used"),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout", "The answer took too long"),
            Self::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "full", "No space is left"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Parameter { detail, .. }
            | Self::Malformed(detail)
            | Self::NotFound(detail)
            | Self::Conflict(detail)
            | Self::MediaType(detail)
            | Self::QueueFull(detail)
            | Self::Unavailable(detail)
            | Self::Full(detail) => detail.clone(),
            Self::Unauthorized => {
                "send `Authorization: Bearer TOKEN`: `bog-agents-daemon token show` prints it".to_owned()
            }
            Self::WrongHost(host) => {
                format!("`{host}` is not this machine: use `127.0.0.1`, `[::1]` or `localhost` as the host")
            }
            Self::MethodNotAllowed(method) => {
                format!("`{method}` does nothing here: the `Allow` header names what does")
            }
            Self::SlowBody => "send the whole body within 30 seconds".to_owned(),
            Self::Stale { wanted, current } => {
                format!("the job is at revision {current}, not {wanted}: read it again and repeat the change")
            }
            Self::TooLarge(most) => format!("at most {most} bytes are read"),
            Self::BadSignature => {
                "sign the request with the secret of this path; the daemon's log says what is wrong".to_owned()
            }
            Self::TooMany(seconds) => format!("send it again after {seconds} s"),
            Self::Invalid(error) => error.to_string(),
            Self::KeyReused => "this `Idempotency-Key` came with another request before: use a new one".to_owned(),
            Self::Internal(_) => "the daemon's log says more; please report it".to_owned(),
            Self::Draining => {
                "the daemon is draining: what runs goes on, new work is refused; try again later".to_owned()
            }
            Self::Timeout => "it may still happen: look before you repeat it".to_owned(),
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Self::Parameter { name, .. } => Some(name.clone()),
            Self::Invalid(error) => named_field(error),
            Self::Malformed(_)
            | Self::Unauthorized
            | Self::WrongHost(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed(_)
            | Self::SlowBody
            | Self::Conflict(_)
            | Self::Stale { .. }
            | Self::TooLarge(_)
            | Self::BadSignature
            | Self::TooMany(_)
            | Self::MediaType(_)
            | Self::KeyReused
            | Self::QueueFull(_)
            | Self::Internal(_)
            | Self::Draining
            | Self::Unavailable(_)
            | Self::Timeout
            | Self::Full(_) => None,
        }
    }

    /// Seconds after which it may go better.
    fn retry_after(&self) -> Option<u16> {
        match self {
            Self::QueueFull(_) | Self::Unavailable(_) => Some(5),
            Self::TooMany(seconds) => Some(*seconds),
            Self::Draining | Self::Full(_) => Some(30),
            Self::Parameter { .. }
            | Self::Malformed(_)
            | Self::Unauthorized
            | Self::WrongHost(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed(_)
            | Self::SlowBody
            | Self::Conflict(_)
            | Self::Stale { .. }
            | Self::TooLarge(_)
            | Self::BadSignature
            | Self::MediaType(_)
            | Self::Invalid(_)
            | Self::KeyReused
            | Self::Internal(_)
            | Self::Timeout => None,
        }
    }
}

/// The field an error is about; for an unknown field, that field.
fn named_field(error: &SpecError) -> Option<String> {
    error.unknown_field().or_else(|| Some(error.field.clone()).filter(|path| !path.is_empty()))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!(%error, "a request failed");
        }
        let (status, kind, title) = self.class();
        let problem = Problem {
            kind: format!("/problems/{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
            field: self.field(),
        };
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self, Self::Unauthorized) {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bog-agents-daemon\""));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full(error.to_string()),
            StoreError::Unavailable(_) | StoreError::Corrupt(_) | StoreError::Closed => {
                Self::Unavailable(error.to_string())
            }
            StoreError::Refused(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<JobsError> for ApiError {
    fn from(error: JobsError) -> Self {
        match error {
            JobsError::NotFound(id) => Self::no_job(id.as_str()),
            JobsError::Conflict(detail) => Self::Conflict(detail),
            JobsError::Stale { wanted, current } => Self::Stale { wanted, current },
            JobsError::Invalid(error) => Self::Invalid(error),
            JobsError::Full => Self::from(StoreError::Full),
            JobsError::Store(error) => Self::from(error),
            JobsError::Io(detail) => Self::Unavailable(detail),
        }
    }
}

impl From<SpecError> for ApiError {
    fn from(error: SpecError) -> Self {
        Self::Invalid(error)
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(format!("a stored document cannot be read: {error}"))
    }
}

impl From<IdError> for ApiError {
    fn from(error: IdError) -> Self {
        Self::NotFound(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_status() {
        let text = || "why".to_owned();
        let spec = || SpecError::new("name", "missing");
        let jobs = |error: JobsError| ApiError::from(error);
        let cases = [
            (jobs(JobsError::NotFound("j".parse().unwrap())), 404, None),
            (jobs(JobsError::Conflict(text())), 409, None),
            (jobs(JobsError::Stale { wanted: 1, current: 2 }), 412, None),
            (jobs(JobsError::Invalid(spec())), 422, None),
            (jobs(JobsError::Full), 507, Some("30")),
            (jobs(JobsError::Store(StoreError::Closed)), 503, Some("5")),
            (jobs(JobsError::Io(text())), 503, Some("5")),
            (StoreError::Full.into(), 507, Some("30")),
            (StoreError::Unavailable(text()).into(), 503, Some("5")),
            (StoreError::Corrupt(text()).into(), 503, Some("5")),
            (StoreError::Refused(text()).into(), 500, None),
            (ApiError::Draining, 503, Some("30")),
            (ApiError::QueueFull(text()), 429, Some("5")),
            (ApiError::SlowBody, 408, None),
            (ApiError::Timeout, 504, None),
        ];
        for (error, status, retry_after) in cases {
            let told = format!("{error:?}");
            let response = error.into_response();
            let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header), (status, retry_after), "{told}");
        }
    }
}
