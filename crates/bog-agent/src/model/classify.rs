//! What a provider's refusal means. Providers say the same in different words and with different codes; this file is the
//! one place that knows them.

use super::ModelError;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;
use std::time::Duration;

/// Whoever wants to be left alone for longer is out of quota rather than busy.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// The most of a provider's words that is kept.
const MESSAGE_CHARS: usize = 600;

/// How providers say that a conversation is too long.
const TOO_LONG: [&str; 11] = [
    "prompt is too long",
    "context_length_exceeded",
    "context length",
    "context window",
    "input is too long",
    "input length and `max_tokens` exceed",
    "exceeds the maximum number of tokens",
    "reduce the length of the messages",
    "request_too_large",
    "too many total text bytes",
    "exceeds the available context size",
];

/// How they say that what was paid for is used up.
const USED_UP: [&str; 8] = [
    "insufficient_quota",
    "exceeded your current quota",
    "credit balance is too low",
    "usage limit",
    "quota will reset",
    "resets at",
    "billing_hard_limit",
    "spending limit",
];

/// An answer that is no success.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a str,
}

impl Refusal<'_> {
    /// What it means.
    pub fn meaning(&self, now: jiff::Timestamp) -> ModelError {
        let said = message(self.body);
        let message = format!("{}: {said}", self.status.as_u16());
        let lower = self.body.to_lowercase();
        let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
        let wait = self.retry_after(now);
        // Google's quotas by the minute are called quotas too, but say how soon they are there again.
        let soon = wait.is_some_and(|wait| wait <= LONGEST_WAIT);
        let is_client_error = self.status.is_client_error();
        if is_client_error && has(&USED_UP) && !soon || wait.is_some_and(|wait| wait > LONGEST_WAIT) {
            return ModelError::Quota { message, resets_at: resets_at(&said).or_else(|| later(now, wait)) };
        }
        let is_limit = self.status == StatusCode::TOO_MANY_REQUESTS;
        if self.status == StatusCode::PAYLOAD_TOO_LARGE || is_client_error && !is_limit && has(&TOO_LONG) {
            return ModelError::TooLong { message };
        }
        match self.status.as_u16() {
            408 | 409 | 425 | 429 | 500..=599 => ModelError::Passing { message, retry_after: wait, tokens: None },
            401 | 403 => ModelError::Permanent { message: format!("{message}; check the provider's key") },
            _ => ModelError::Permanent { message },
        }
    }

    /// RFC 9110, section 10.2.3, in seconds or as a date; milliseconds by OpenAI; `retryDelay` by Google.
    fn retry_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        let text = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
            return Duration::try_from_secs_f64(millis / 1000.0).ok();
        }
        if let Some(given) = text(RETRY_AFTER.as_str()) {
            if let Ok(seconds) = given.parse::<f64>() {
                return Duration::try_from_secs_f64(seconds).ok();
            }
            let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(given).ok()?;
            return Duration::try_from(date - now).ok().or(Some(Duration::ZERO));
        }
        let body: Value = serde_json::from_str(self.body).ok()?;
        let body = body.get(0).unwrap_or(&body);
        let details = body.pointer("/error/details")?.as_array()?;
        let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
        Duration::try_from_secs_f64(delay.strip_suffix('s')?.parse().ok()?).ok()
    }
}

/// What an error that came within a stream means; `kind` is the provider's word for it.
pub fn in_stream(kind: &str, message: &str) -> ModelError {
    let lower = format!("{kind} {message}").to_lowercase();
    let message = format!("{kind}: {}", cut(message));
    if TOO_LONG.iter().any(|phrase| lower.contains(phrase)) {
        return ModelError::TooLong { message };
    }
    if USED_UP.iter().any(|phrase| lower.contains(phrase)) {
        let resets_at = resets_at(&message);
        return ModelError::Quota { message, resets_at };
    }
    let is_ours = ["invalid_request", "validation", "authentication", "permission", "not_found"];
    if is_ours.iter().any(|word| lower.contains(word)) {
        return ModelError::Permanent { message };
    }
    ModelError::passing(message)
}

/// The words for people in an error's body, which providers put in different places.
fn message(body: &str) -> String {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let json = json.as_ref().map(|json| json.get(0).unwrap_or(json));
    let places = ["/error/message", "/message", "/Message", "/error", "/detail"];
    let found = json.and_then(|json| places.iter().find_map(|place| json.pointer(place)?.as_str()));
    let text = found.unwrap_or(body).trim();
    if text.is_empty() { "no reason given".to_owned() } else { cut(text) }
}

fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS).collect()
}

/// The first point in time that is written after a word like "resets".
fn resets_at(text: &str) -> Option<String> {
    let at = text.to_lowercase().find("reset")?;
    let words = text.get(at..)?.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | ','));
    words
        .map(|word| word.trim_end_matches(['.', ';']))
        .find(|word| word.parse::<jiff::Timestamp>().is_ok())
        .map(str::to_owned)
}

fn later(now: jiff::Timestamp, wait: Option<Duration>) -> Option<String> {
    Some(now.checked_add(wait?).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, headers: &[(&'static str, &str)], body: &str) -> ModelError {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        Refusal { status, headers: &headers, body }.meaning("2026-01-01T00:00:00Z".parse().unwrap())
    }

    fn wait(error: ModelError) -> Option<Duration> {
        let ModelError::Passing { retry_after, .. } = error else { panic!("{error:?}") };
        retry_after
    }

    #[test]
    fn overload_and_rate_limits_pass() {
        for status in [408, 429, 500, 503, 529] {
            assert_eq!(wait(meaning(status, &[], r#"{"error": {"message": "busy"}}"#)), None, "{status}");
        }
        assert_eq!(wait(meaning(429, &[("retry-after", "7")], "")), Some(Duration::from_secs(7)));
        assert_eq!(wait(meaning(429, &[("retry-after-ms", "250")], "")), Some(Duration::from_millis(250)));
        let date = [("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT")];
        assert_eq!(wait(meaning(503, &date, "")), Some(Duration::from_secs(30)));
        let google =
            r#"[{"error": {"message": "You exceeded your current quota", "details": [{"retryDelay": "37s"}]}}]"#;
        assert_eq!(wait(meaning(429, &[], google)), Some(Duration::from_secs(37)));
    }

    #[test]
    fn a_used_up_quota_says_when_there_is_more() {
        let quota = |error: ModelError| {
            let ModelError::Quota { resets_at, .. } = error else { panic!("{error:?}") };
            resets_at
        };
        let said = r#"{"error": {"message": "You have reached your usage limit. It resets at 2026-01-02T08:00:00Z."}}"#;
        assert_eq!(quota(meaning(429, &[], said)).as_deref(), Some("2026-01-02T08:00:00Z"));
        assert_eq!(quota(meaning(429, &[], r#"{"error": {"code": "insufficient_quota"}}"#)), None);
        assert_eq!(quota(meaning(400, &[], r#"{"error": {"message": "Your credit balance is too low"}}"#)), None);
        assert_eq!(quota(meaning(429, &[("retry-after", "3600")], "")).as_deref(), Some("2026-01-01T01:00:00Z"));
    }

    #[test]
    fn a_long_conversation_is_known_in_every_wording() {
        let bodies = [
            r#"{"type": "error", "error": {"message": "prompt is too long: 212345 tokens > 200000 maximum"}}"#,
            r#"{"error": {"code": "context_length_exceeded", "message": "This model's maximum context length is 128000"}}"#,
            r#"{"message": "Input is too long for requested model."}"#,
            r#"{"error": {"message": "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."}}"#,
        ];
        for body in bodies {
            assert!(matches!(meaning(400, &[], body), ModelError::TooLong { .. }), "{body}");
        }
        assert!(matches!(meaning(413, &[], ""), ModelError::TooLong { .. }));
        assert!(matches!(in_stream("ValidationException", "Input is too long"), ModelError::TooLong { .. }));
    }

    #[test]
    fn the_rest_is_permanent_and_in_the_providers_words() {
        let error = meaning(401, &[], r#"{"error": {"message": "invalid x-api-key"}}"#);
        assert_eq!(error.to_string(), "401: invalid x-api-key; check the provider's key");
        assert_eq!(meaning(404, &[], r#"{"error": "model 'x' not found"}"#).to_string(), "404: model 'x' not found");
        assert!(matches!(in_stream("overloaded_error", "Overloaded"), ModelError::Passing { .. }));
        assert!(matches!(in_stream("invalid_request_error", "bad"), ModelError::Permanent { .. }));
    }
}
