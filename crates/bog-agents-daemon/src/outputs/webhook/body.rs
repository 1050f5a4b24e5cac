//! What a webhook's receiver gets: one JSON object, or the same as the data of a CloudEvent.

use crate::outputs::Message;
use bog_domain::spec::WebhookFormat;
use serde::Serialize;

/// What a CloudEvent of ours says it is.
const EVENT_TYPE: &str = "io.github.bog-agents.run.finished";

/// The body's fields, as documented in `docs/jobs.md`. Times are RFC 3339 in UTC.
#[derive(Serialize)]
struct Body<'a> {
    delivery_id: String,
    job_id: &'a str,
    job_name: &'a str,
    run_id: String,
    outcome: &'static str,
    output: &'a str,
    error: Option<&'a str>,
    started_at: Option<String>,
    finished_at: Option<String>,
    sample: bool,
}

/// An event in the structured content mode of CloudEvents 1.0 (JSON event format), so that a signature covers all of it.
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    r#type: &'static str,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    datacontenttype: &'static str,
    data: Body<'a>,
}

/// The content type and the body.
pub(super) fn of(format: WebhookFormat, message: &Message) -> (&'static str, Vec<u8>) {
    let data = Body {
        delivery_id: message.delivery.to_string(),
        job_id: message.job.as_str(),
        job_name: &message.job_name,
        run_id: message.run.to_string(),
        outcome: message.outcome.as_str(),
        output: &message.text,
        error: message.error.as_deref(),
        started_at: message.started_at.map(|at| at.to_string()),
        finished_at: message.finished_at.map(|at| at.to_string()),
        sample: message.sample,
    };
    match format {
        WebhookFormat::Json => ("application/json", json(&data)),
        WebhookFormat::Cloudevents => {
            let event = Event {
                specversion: "1.0",
                id: data.delivery_id.clone(),
                source: format!("/bog-agents-daemon/jobs/{}", message.job),
                r#type: EVENT_TYPE,
                subject: data.run_id.clone(),
                time: data.finished_at.clone(),
                datacontenttype: "application/json",
                data,
            };
            ("application/cloudevents+json; charset=utf-8", json(&event))
        }
    }
}

/// Strings, booleans and nothing else: it never fails.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_documented() {
        let message = crate::outputs::sample::message();
        let shown = [WebhookFormat::Json, WebhookFormat::Cloudevents].map(|format| {
            let (content_type, body) = of(format, &message);
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            format!("{content_type}\n{body:#}")
        });
        insta::assert_snapshot!(shown.join("\n\n"));
    }
}
