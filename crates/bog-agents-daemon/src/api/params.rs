//! Query parameters: each is known, given once, and in its range, or the refusal says what is allowed.

use super::problem::ApiError;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bog_domain::ids::{JobId, RunId};
use jiff::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Items of a page where `limit` does not say.
const DEFAULT_LIMIT: u32 = 100;

/// Items of a page at most.
const MAX_LIMIT: u32 = 1000;

/// The query parameters as given.
#[derive(Debug)]
pub(super) struct Given(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Query(given) = Query::try_from_uri(&parts.uri)
            .map_err(|error| ApiError::parameter("query", format!("the query cannot be read: {error}")))?;
        Ok(Self(given))
    }
}

impl Given {
    /// The parameters, all of which are among `known`.
    pub(super) fn known(self, known: &[&str]) -> Result<Params, ApiError> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(ApiError::parameter(name, unknown(name, known)));
            }
            if self.0[..index].iter().any(|(before, _)| before == name) {
                return Err(ApiError::parameter(name, format!("`{name}` is given twice: give it once")));
            }
        }
        Ok(Params(self.0))
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("unknown parameter `{name}`: none are allowed here");
    }
    format!("unknown parameter `{name}`: allowed are {}", list(known.iter()))
}

fn list(names: impl Iterator<Item = impl fmt::Display>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Query parameters whose names are known.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A whole number in a range.
    pub(super) fn number(&self, name: &str, default: u32, most: u32) -> Result<u32, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| {
            ApiError::parameter(name, format!("`{name}` is `{text}`: a whole number from 1 to {most} is allowed"))
        })
    }

    /// How many items a page has.
    pub(super) fn limit(&self) -> Result<u32, ApiError> {
        self.number("limit", DEFAULT_LIMIT, MAX_LIMIT)
    }

    /// Where the page begins.
    pub(super) fn cursor<T: FromStr>(&self) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get("cursor") else { return Ok(None) };
        let decoded = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let cursor = decoded.and_then(|position| position.parse().ok());
        cursor.map(Some).ok_or_else(|| {
            ApiError::parameter("cursor", format!("`{text}` is not a cursor: take `next` of the page before as it is"))
        })
    }

    /// A job's id.
    pub(super) fn job(&self) -> Result<Option<JobId>, ApiError> {
        self.get("job").map(|id| id.parse().map_err(|error| ApiError::parameter("job", error))).transpose()
    }

    /// A run's id.
    pub(super) fn run(&self) -> Result<Option<RunId>, ApiError> {
        self.get("run").map(|id| id.parse().map_err(|error| ApiError::parameter("run", error))).transpose()
    }

    /// The id of what is to be made.
    pub(super) fn id(&self) -> Result<Option<JobId>, ApiError> {
        self.get("id").map(|id| id.parse().map_err(|error| ApiError::parameter("id", error))).transpose()
    }

    /// A time.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                let detail =
                    format!("`{name}` is `{text}`: an RFC 3339 time is allowed, for example `2026-01-31T09:00:00Z`");
                ApiError::parameter(name, detail)
            })
        };
        self.get(name).map(parse).transpose()
    }

    /// One of a closed set.
    pub(super) fn one_of<T: Copy + fmt::Display>(&self, name: &str, all: &[T]) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let found = all.iter().find(|value| value.to_string() == text).copied();
        found
            .map(Some)
            .ok_or_else(|| ApiError::parameter(name, format!("`{name}` is `{text}`: allowed are {}", list(all.iter()))))
    }
}

/// A cursor for a position.
pub(super) fn cursor(position: impl fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(position.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::run::RunState;

    fn params(given: &[(&str, &str)]) -> Result<Params, ApiError> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Given(given).known(&["limit", "cursor", "state", "since", "job"])
    }

    #[test]
    fn good_ones_are_read() {
        let next = cursor(42);
        let given = params(&[
            ("limit", "1000"),
            ("cursor", &next),
            ("state", "queued"),
            ("since", "2026-01-01T00:00:00+01:00"),
        ]);
        let given = given.unwrap();
        assert_eq!(given.limit().unwrap(), 1000);
        assert_eq!(given.cursor::<i64>().unwrap(), Some(42));
        assert_eq!(given.one_of("state", &RunState::ALL).unwrap(), Some(RunState::Queued));
        assert_eq!(given.time("since").unwrap(), Some("2025-12-31T23:00:00Z".parse().unwrap()));
        assert_eq!(params(&[]).unwrap().limit().unwrap(), 100);
    }

    #[test]
    fn bad_ones_are_named_with_what_is_allowed() {
        let problem = |error: ApiError| {
            let ApiError::Parameter { name, detail } = &error else { panic!("{error:?}") };
            format!("{name}: {detail}")
        };
        let one = |name: &str, value: &str| params(&[(name, value)]).unwrap();
        let said = [
            problem(params(&[("limt", "5")]).unwrap_err()),
            problem(params(&[("limit", "5"), ("limit", "6")]).unwrap_err()),
            problem(one("limit", "0").limit().unwrap_err()),
            problem(one("limit", "1001").limit().unwrap_err()),
            problem(one("cursor", "!").cursor::<i64>().unwrap_err()),
            problem(one("cursor", &cursor("x")).cursor::<i64>().unwrap_err()),
            problem(one("state", "done").one_of("state", &RunState::ALL).unwrap_err()),
            problem(one("since", "yesterday").time("since").unwrap_err()),
            problem(one("job", "No Slug").job().unwrap_err()),
        ];
        insta::assert_snapshot!(said.join("\n"));
    }
}
