//! Slack's Web API: a method, its arguments, and an answer that says `ok` or why not.

use crate::outputs::http::{Answer, Http, SHORT};
use crate::outputs::permanent;
use bog_domain::delivery::Attempted;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::form_urlencoded;

/// Errors that go away by waiting. All others say what is wrong with the request or with whom it comes from.
const PASSING: [&str; 8] = [
    "accesslimited",
    "fatal_error",
    "internal_error",
    "ratelimited",
    "rate_limited",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// The API, for one bot.
pub(super) struct Api<'a> {
    pub http: &'a Http,
    pub base: &'a str,
    pub token: SecretString,
}

/// An answer with status 200.
pub(super) struct Said {
    method: &'static str,
    answer: Answer,
    verdict: Verdict,
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    error: Option<String>,
    needed: Option<String>,
}

impl Api<'_> {
    /// Calls a method with arguments in JSON.
    pub async fn post(&self, method: &'static str, body: &Value) -> Result<Said, Attempted> {
        let request = self.request(method).await?.json(body);
        self.call(method, request).await
    }

    /// Calls a method that takes no JSON.
    pub async fn post_form(&self, method: &'static str, arguments: &[(&str, &str)]) -> Result<Said, Attempted> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(arguments).finish();
        let request = self.request(method).await?.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        self.call(method, request).await
    }

    async fn request(&self, method: &str) -> Result<RequestBuilder, Attempted> {
        let url = Url::parse(&format!("{}/{method}", self.base.trim_end_matches('/'))).map_err(permanent)?;
        Ok(self.http.request(Method::POST, url).await?.bearer_auth(self.token.expose_secret()))
    }

    async fn call(&self, method: &'static str, request: RequestBuilder) -> Result<Said, Attempted> {
        let answer = self.http.send(request, SHORT).await?;
        if !answer.status.is_success() {
            return Err(answer.failure());
        }
        let verdict = answer.json()?;
        Ok(Said { method, answer, verdict })
    }
}

impl Said {
    /// Why the method did nothing, if it did not.
    pub fn refusal(&self) -> Option<&str> {
        if self.verdict.ok { None } else { Some(self.verdict.error.as_deref().unwrap_or("no reason")) }
    }

    /// What came of the method.
    pub fn accepted<T: DeserializeOwned>(&self) -> Result<T, Attempted> {
        match self.refusal() {
            None => self.answer.json(),
            Some(error) => Err(self.failure(error)),
        }
    }

    fn failure(&self, error: &str) -> Attempted {
        let advice = match error {
            "not_in_channel" => ": invite the bot to the channel with `/invite`",
            "channel_not_found" => ": is there such a channel, and may the bot see it?",
            "invalid_auth" | "not_authed" | "token_revoked" | "token_expired" | "account_inactive" => {
                ": the token is not valid (any more)"
            }
            "missing_scope" | "no_permission" => ": give the app that scope and install it again",
            _ => "",
        };
        let needed = self.verdict.needed.as_deref().map(|scope| format!(" (needed: {scope})")).unwrap_or_default();
        let said = format!("Slack refuses `{}`: {error}{needed}{advice}", self.method);
        if PASSING.contains(&error) {
            Attempted::Passing { error: said, retry_after: self.answer.retry_after() }
        } else {
            Attempted::Permanent { error: said }
        }
    }
}
