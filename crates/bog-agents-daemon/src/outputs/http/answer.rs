//! An answer, and what its status means for a delivery.

use super::shown;
use crate::clock;
use bog_domain::delivery::Attempted;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How much of an answer is shown to people, in characters.
const SHOWN: usize = 200;

/// The most that a target may ask to be left alone for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer, as far as it was read.
#[derive(Debug)]
pub(in crate::outputs) struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, or the beginning of it.
    pub body: Vec<u8>,
    url: Url,
}

impl Answer {
    /// Reads at most `most` bytes of a body. One that breaks off is taken as far as it came: the status is known.
    pub(super) async fn read(mut response: Response, most: usize) -> Self {
        let (status, headers, url) = (response.status(), response.headers().clone(), response.url().clone());
        let mut body = Vec::new();
        while let (true, Ok(Some(piece))) = (body.len() < most, response.chunk().await) {
            body.extend_from_slice(&piece[..piece.len().min(most - body.len())]);
        }
        Self { status, headers, body, url }
    }

    /// A header, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is something else: the request may have been understood, or not.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Attempted> {
        serde_json::from_slice(&self.body).map_err(|error| Attempted::Unknown {
            error: format!("{}: {} and an answer that is not as expected ({error})", shown(&self.url), self.status),
        })
    }

    /// What it means for a delivery that this is the answer and not a success. Errors that will not go away by waiting are
    /// those of the request itself: what is wrong with it, or with whom it comes from.
    pub fn failure(&self) -> Attempted {
        let error = format!("{}: {}{}", shown(&self.url), self.status, self.explanation());
        let retry_after = self.retry_after();
        match self.status {
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS => Attempted::Passing { error, retry_after },
            StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED => Attempted::Permanent { error },
            status if status.is_server_error() => Attempted::Passing { error, retry_after },
            _ => Attempted::Permanent { error },
        }
    }

    /// How long the target asks to be left alone (RFC 9110, section 10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        delay(self.header(RETRY_AFTER.as_str())?, clock::now())
    }

    fn explanation(&self) -> String {
        if self.status.is_redirection() {
            let to = self.header(LOCATION.as_str()).and_then(|to| self.url.join(to).ok());
            let to = to.map(|url| format!(" to {}", shown(&url))).unwrap_or_default();
            return format!(": a redirect{to}, which is not followed: name the address it leads to");
        }
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match bog_domain::text::head(&text, SHOWN) {
            ("", _) => String::new(),
            (head, cut) => format!(": {head}{}", if cut { " [cut]" } else { "" }),
        }
    }
}

/// Seconds, or a date.
fn delay(value: &str, now: Timestamp) -> Option<Duration> {
    let delay = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
            at.duration_since(now).try_into().unwrap_or_default()
        }
    };
    Some(delay.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let seconds = |value: &str| delay(value, now).map(|delay| delay.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds(" 7 "), Some(7));
        assert_eq!(seconds("Wed, 25 Nov 2026 12:01:00 GMT"), Some(60));
        assert_eq!(seconds("Wed, 25 Nov 2026 11:00:00 GMT"), Some(0));
        assert_eq!(seconds("99999999999"), Some(24 * 60 * 60));
        for nothing in ["", "-1", "soon", "1.5"] {
            assert_eq!(seconds(nothing), None, "{nothing}");
        }
    }
}
