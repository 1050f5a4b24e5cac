//! GitHub's REST API, as far as it is about the comments of one issue
//! (<https://docs.github.com/en/rest/issues/comments>).

use crate::clock;
use crate::outputs::http::{Answer, Http};
use crate::outputs::{passing, permanent};
use bog_domain::delivery::Attempted;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::ACCEPT;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// Comments of a page, and pages that are looked at.
const PAGE: u32 = 30;
const MAX_PAGES: u32 = 10;

/// Bytes of an answer that holds comments: of the longest ones, in a language that takes three bytes a letter.
const LONG: usize = 8 * 1024 * 1024;

/// How much GitHub's clock may differ from ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(10);

/// How long to leave GitHub alone where it asks for it without a number.
const PAUSE: Duration = Duration::from_secs(60);

/// The comments of one issue.
pub(super) struct Api<'a> {
    pub http: &'a Http,
    pub base: &'a str,
    pub token: SecretString,
    /// `owner/name`.
    pub repo: &'a str,
    pub issue: u64,
}

/// A comment.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Comment {
    pub id: u64,
    pub html_url: String,
    #[serde(default)]
    pub body: String,
}

impl Api<'_> {
    /// Writes a comment.
    pub async fn create(&self, text: &str) -> Result<Comment, Attempted> {
        let request = self.request(Method::POST, &self.comments()).await?.json(&json!({ "body": text }));
        let answer = self.http.send(request, LONG).await?;
        if answer.status.is_success() { answer.json() } else { Err(failure(&answer)) }
    }

    /// Rewrites a comment; `None` where it is gone, or is not ours to rewrite.
    pub async fn edit(&self, id: u64, text: &str) -> Result<Option<Comment>, Attempted> {
        let path = format!("repos/{}/issues/comments/{id}", self.repo);
        let request = self.request(Method::PATCH, &path).await?.json(&json!({ "body": text }));
        // Once more does no harm.
        let answer = self.http.send(request, LONG).await.map_err(passing)?;
        match (answer.status, failure(&answer)) {
            (status, _) if status.is_success() => answer.json().map(Some),
            (StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN, Attempted::Permanent { .. }) => Ok(None),
            (_, failure) => Err(failure),
        }
    }

    /// What was written since a time, as far as a few pages go.
    pub async fn since(&self, time: Option<Timestamp>) -> Result<Vec<Comment>, Attempted> {
        let since = time.and_then(|time| time.checked_sub(CLOCK_SKEW).ok()).map(|time| time.to_string());
        let mut comments = Vec::new();
        for page in 1..=MAX_PAGES {
            let (found, _) = self.page(page, since.as_deref()).await?;
            let is_last = found.len() < PAGE as usize;
            comments.extend(found);
            if is_last {
                break;
            }
        }
        Ok(comments)
    }

    /// The last comment that is as wanted, among the last pages.
    pub async fn last(&self, wanted: impl Fn(&Comment) -> bool) -> Result<Option<Comment>, Attempted> {
        let (first, last) = self.page(1, None).await?;
        let oldest = last.saturating_sub(MAX_PAGES).max(1);
        for page in (oldest + 1..=last).rev() {
            let (found, _) = self.page(page, None).await?;
            if let Some(comment) = found.into_iter().rfind(&wanted) {
                return Ok(Some(comment));
            }
        }
        Ok(first.into_iter().rfind(&wanted))
    }

    /// A page of comments, the oldest first, and which page is the last.
    async fn page(&self, page: u32, since: Option<&str>) -> Result<(Vec<Comment>, u32), Attempted> {
        let mut request =
            self.request(Method::GET, &self.comments()).await?.query(&[("per_page", PAGE), ("page", page)]);
        if let Some(since) = since {
            request = request.query(&[("since", since)]);
        }
        let answer = self.http.send(request, LONG).await.map_err(passing)?;
        if !answer.status.is_success() {
            return Err(failure(&answer));
        }
        let last = answer.header("link").and_then(last_page).unwrap_or(page);
        Ok((answer.json().map_err(passing)?, last))
    }

    fn comments(&self) -> String {
        format!("repos/{}/issues/{}/comments", self.repo, self.issue)
    }

    async fn request(&self, verb: Method, path: &str) -> Result<RequestBuilder, Attempted> {
        let url = Url::parse(&format!("{}/{path}", self.base.trim_end_matches('/'))).map_err(permanent)?;
        let request = self.http.request(verb, url).await?;
        let request =
            request.header(ACCEPT, "application/vnd.github+json").header("x-github-api-version", "2022-11-28");
        Ok(request.bearer_auth(self.token.expose_secret()))
    }
}

/// GitHub refuses for want of patience with the status of a lack of rights
/// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
fn failure(answer: &Answer) -> Attempted {
    let usual = answer.failure();
    let (Attempted::Permanent { error } | Attempted::Passing { error, .. }) = &usual else { return usual };
    let exhausted = answer.header("x-ratelimit-remaining") == Some("0");
    let secondary = error.to_lowercase().contains("rate limit");
    match answer.status {
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
            if exhausted || secondary || answer.retry_after().is_some() =>
        {
            let until_reset = || {
                let at = Timestamp::from_second(answer.header("x-ratelimit-reset")?.parse().ok()?).ok()?;
                // One that has passed is no reason to wait.
                Some(Duration::try_from(at.duration_since(clock::now())).unwrap_or_default())
            };
            let retry_after = answer.retry_after().or_else(until_reset).unwrap_or(PAUSE);
            Attempted::Passing { error: error.clone(), retry_after: Some(retry_after) }
        }
        StatusCode::NOT_FOUND => {
            permanent(format!("{error}: is there such an issue, and may the token see it and write comments?"))
        }
        _ => usual,
    }
}

/// The number of the last page, by the `Link` header (RFC 8288).
fn last_page(links: &str) -> Option<u32> {
    let last = links.split(',').find(|link| link.contains("rel=\"last\""))?;
    let url = last.split_once('<')?.1.split_once('>')?.0;
    let url = Url::parse(url).ok()?;
    url.query_pairs().find(|(name, _)| name == "page").and_then(|(_, page)| page.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_is_where_the_header_says() {
        let links = "<https://api.github.com/repositories/1/issues/2/comments?per_page=30&page=2>; rel=\"next\", \
                     <https://api.github.com/repositories/1/issues/2/comments?per_page=30&page=14>; rel=\"last\"";
        assert_eq!(last_page(links), Some(14));
        assert_eq!(last_page("<https://x/?page=1>; rel=\"first\""), None);
    }
}
