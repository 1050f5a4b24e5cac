//! What comes in by HTTP: from a request's headers and body to an event, and what a trigger makes of that event.
//!
//! Who sent it is the business of [`crate::signature`].

mod github;
mod headers;
mod payload;
mod rate;
mod settings;

pub use github::{GITHUB_PATH, GithubEvent, GithubEventKind, is_ping};
pub use headers::{Headers, kept};
pub use payload::payload;
pub use rate::Rate;
pub use settings::Settings;

use crate::cause::HEADER;
use crate::fire::{Cause, Reason};
use crate::job::Hook;
use crate::spec::WebhookScheme;
use serde_json::{Value, json};

/// Where GitHub's payloads have what somebody wrote.
const GITHUB_TEXTS: [&str; 4] = ["/comment/body", "/review/body", "/issue/body", "/pull_request/body"];

/// Where Slack's events have what a message of ours says of its cause.
const SLACK_CAUSE: &str = "/event/metadata/event_payload/cause";

/// A request that was found genuine.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The path it came to.
    pub path: &'a str,
    /// Its headers.
    pub headers: &'a Headers,
    /// What its body says.
    pub payload: &'a Value,
    /// The id by which its sender knows it again.
    pub delivery_id: Option<&'a str>,
}

/// What a trigger makes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// It is none of the events that the trigger is about: there is nothing to write down.
    NotMine,
    /// It is one.
    Event {
        /// What templates see, but for the fields that every event has.
        context: Value,
        /// What caused it, as far as it says.
        cause: Cause,
        /// What keeps it from firing.
        filtered: Option<Reason>,
    },
}

impl Hook {
    /// What this trigger makes of a request. `own_login` is the name under which the daemon's agents are known to GitHub.
    #[must_use]
    pub fn hear(&self, received: Received<'_>, own_login: Option<&str>) -> Heard {
        match self {
            Self::Webhook(hook) => {
                let context = json!({
                    "path": received.path,
                    "payload": received.payload,
                    "headers": kept(received.headers),
                    "delivery_id": received.delivery_id,
                });
                let passes = hook.filter.as_ref().is_none_or(|filter| filter.lets_through(&context));
                let cause = received.cause(hook.scheme);
                Heard::Event { context, cause, filtered: (!passes).then_some(Reason::Filter) }
            }
            Self::Github(github) => {
                let Some(event) = GithubEvent::of(received.headers, received.payload) else { return Heard::NotMine };
                if !github.is_about(&event) {
                    return Heard::NotMine;
                }
                let marked = Cause::from_marked(&event.body);
                let cause = received.cause(WebhookScheme::Github);
                let context = event.context(received);
                let own = event.kind.is_said() && (marked.is_some() || is_own(&event, own_login));
                let filtered = if own { Some(Reason::OwnComment) } else { github.filtered(&event, &context) };
                Heard::Event { context, cause, filtered }
            }
        }
    }
}

impl Received<'_> {
    /// What caused it, as far as it says: the deepest of what its header says and of the marks that this daemon's outputs
    /// leave in what they write, where it brings back such a text.
    fn cause(self, scheme: WebhookScheme) -> Cause {
        let text = |place: &&str| self.payload.pointer(place)?.as_str();
        let marks: Vec<Option<Cause>> = match scheme {
            WebhookScheme::Github => GITHUB_TEXTS.iter().filter_map(text).map(Cause::from_marked).collect(),
            WebhookScheme::Slack => [SLACK_CAUSE].iter().filter_map(text).map(Cause::from_header).collect(),
            WebhookScheme::Standard | WebhookScheme::Stripe | WebhookScheme::Gitlab | WebhookScheme::None => Vec::new(),
        };
        let said = self.headers.get(HEADER).and_then(|value| Cause::from_header(value));
        Cause::deepest(marks.into_iter().chain([said])).unwrap_or_default()
    }
}

fn is_own(event: &GithubEvent<'_>, own_login: Option<&str>) -> bool {
    own_login.is_some_and(|own| own.eq_ignore_ascii_case(event.actor))
}

#[cfg(test)]
mod tests;
