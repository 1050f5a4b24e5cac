//! What a job would make of an event, without running anything: which trigger hears it, whether it fires, and what prompt
//! and outputs come to.

use crate::fire::{Reason, TriggerKind};
use crate::hook::{GITHUB_PATH, Headers, Heard, Received};
use crate::ids::TriggerId;
use crate::job::{Hook, Job, Trigger};
use crate::signature::delivery_id;
use crate::template::{LAST_RUN_FIELDS, Template};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What stands for what only a run can say.
const OUTPUT: &str = "(what the agent says)";

/// The same of a gate's words.
const GATE: &str = "(what the gate says)";

/// What a sample comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sampled {
    /// The trigger that hears it; `manual` where it is given by hand.
    pub trigger: TriggerId,
    /// Its kind.
    pub kind: TriggerKind,
    /// Whether it fires.
    pub fires: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The event, as templates see it.
    pub event: Value,
    /// The prompt, for a job that has one.
    pub prompt: Option<Rendered>,
    /// Where the result would go.
    pub outputs: Vec<SampledOutput>,
}

/// An output of a sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampledOutput {
    /// The target, as it is written.
    pub target: String,
    /// Its fields that are templates.
    pub fields: Vec<(String, Rendered)>,
}

/// A rendered template, or why it cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rendered {
    /// The text.
    Text(String),
    /// What is wrong.
    Error(String),
}

impl Rendered {
    /// What is wrong, if anything is.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Error(error) => Some(error),
        }
    }
}

impl Sampled {
    /// Whether it would run, and everything can be rendered.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let mut rendered =
            self.prompt.iter().chain(self.outputs.iter().flat_map(|out| out.fields.iter().map(|(_, field)| field)));
        self.fires && rendered.all(|rendered| rendered.error().is_none())
    }
}

/// An event as it is written down for a test.
enum Written {
    /// What templates see, as in the file that `BOG_EVENT_FILE` names.
    Event(TriggerKind, Value),
    /// A request: `{"headers": {...}, "payload": ...}`, with a `path` or without.
    Request { path: Option<String>, headers: Headers, payload: Value },
    /// Nothing but a payload.
    Payload(Value),
}

/// What a job makes of an event. `trigger` names the trigger where several could hear it; `own_login` is as in
/// [`Hook::hear`].
///
/// # Errors
/// When no trigger can be told, or the event lacks what its trigger needs; the message says what to write.
pub fn sample(
    job: &Job,
    event: Value,
    trigger: Option<&str>,
    own_login: Option<&str>,
    now: Timestamp,
) -> Result<Sampled, String> {
    let written = read(event)?;
    let chosen = choose(job, &written, trigger)?;
    let (mut event, mut reason) = match chosen {
        Some(Trigger { hook: Some(hook), .. }) => heard(hook, &written, own_login)?,
        Some(_) | None => (plain(written, chosen.is_some()), None),
    };
    if !job.enabled && chosen.is_some() {
        reason = Some(Reason::Disabled.as_str().to_owned());
    }
    let kind = chosen.map_or(TriggerKind::Manual, |trigger| trigger.kind);
    complete(&mut event, kind, now);
    let context = context(job, &event, now);
    Ok(Sampled {
        trigger: chosen.map_or_else(TriggerId::manual, |trigger| trigger.id.clone()),
        kind,
        fires: reason.is_none(),
        reason,
        prompt: job.prompt.as_ref().map(|prompt| rendered(prompt.render(&context))),
        outputs: job.outputs.iter().map(|output| sampled_output(&output.spec, &context)).collect(),
        event,
    })
}

fn read(event: Value) -> Result<Written, String> {
    let Value::Object(fields) = &event else { return Ok(Written::Payload(event)) };
    let kind = fields.get("kind").and_then(Value::as_str);
    let kind = kind.and_then(|kind| serde_json::from_value(Value::from(kind)).ok());
    if let (Some(kind), true) = (kind, fields.contains_key("tier")) {
        return Ok(Written::Event(kind, event));
    }
    let Some(Value::Object(given)) = fields.get("headers") else { return Ok(Written::Payload(event)) };
    let text = |(name, value): (&String, &Value)| match value.as_str() {
        Some(value) => Ok((name.to_ascii_lowercase(), value.to_owned())),
        None => Err(format!("the header `{name}` is no text: write it in quotes")),
    };
    let headers = given.iter().map(text).collect::<Result<_, _>>()?;
    let path = fields.get("path").and_then(Value::as_str).map(str::to_owned);
    Ok(Written::Request { path, headers, payload: fields.get("payload").cloned().unwrap_or_default() })
}

/// The trigger that hears it; `None` for a fire by hand.
fn choose<'a>(job: &'a Job, written: &Written, named: Option<&str>) -> Result<Option<&'a Trigger>, String> {
    let all =
        |wanted: &dyn Fn(&Trigger) -> bool| job.triggers.iter().filter(|trigger| wanted(trigger)).collect::<Vec<_>>();
    if let Some(named) = named {
        let found = job.triggers.iter().find(|trigger| trigger.id.as_str() == named);
        return found
            .map(Some)
            .ok_or_else(|| format!("the job has no trigger `{named}`: it has {}", names(&all(&|_| true))));
    }
    let at = |trigger: &Trigger, path: &str| trigger.hook.as_ref().is_some_and(|hook| hook.path() == path);
    let candidates = match written {
        Written::Event(TriggerKind::Manual, _) => return Ok(None),
        Written::Event(kind, event) => {
            let path = event.get("path").and_then(Value::as_str);
            all(&|trigger| trigger.kind == *kind && path.is_none_or(|path| trigger.hook.is_none() || at(trigger, path)))
        }
        Written::Request { path: Some(path), .. } => all(&|trigger| at(trigger, path)),
        Written::Request { path: None, headers, .. } => {
            let github = all(&|trigger| at(trigger, GITHUB_PATH) && headers.contains_key("x-github-event"));
            if github.is_empty() { all(&|trigger| trigger.kind == TriggerKind::Webhook) } else { github }
        }
        Written::Payload(_) => {
            let hooks = all(&|trigger| trigger.hook.is_some());
            if hooks.is_empty() {
                return Ok(None);
            }
            hooks
        }
    };
    match candidates.as_slice() {
        [only] => Ok(Some(only)),
        [] => Err(format!("no trigger of the job hears such an event: it has {}", names(&all(&|_| true)))),
        several => Err(format!("several triggers could hear it: name one with `--trigger`: {}", names(several))),
    }
}

fn names(triggers: &[&Trigger]) -> String {
    let names: Vec<String> = triggers.iter().map(|trigger| format!("`{}`", trigger.id)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// What a trigger that requests fire makes of it, and what keeps it from firing.
fn heard(hook: &Hook, written: &Written, own_login: Option<&str>) -> Result<(Value, Option<String>), String> {
    let (headers, payload) = match written {
        Written::Request { headers, payload, .. } => (headers.clone(), payload),
        Written::Payload(payload) => (Headers::new(), payload),
        Written::Event(_, event) => {
            let headers = event.get("headers").cloned().unwrap_or_default();
            (serde_json::from_value(headers).unwrap_or_default(), event.get("payload").unwrap_or(&Value::Null))
        }
    };
    if matches!(hook, Hook::Github(_)) && !headers.contains_key("x-github-event") {
        return Err("a `github` trigger needs to know which event it is: write the file as \
                    `{\"headers\": {\"x-github-event\": \"issues\"}, \"payload\": {...}}`"
            .to_owned());
    }
    let delivery = delivery_id(hook.scheme(), &headers, payload);
    let received = Received { path: hook.path(), headers: &headers, payload, delivery_id: delivery.as_deref() };
    Ok(match hook.hear(received, own_login) {
        Heard::Event { context, filtered, .. } => (context, filtered.map(|reason| reason.as_str().to_owned())),
        Heard::NotMine => {
            let event = json!({ "headers": headers, "payload": payload });
            (event, Some("not an event of this trigger".to_owned()))
        }
    })
}

/// An event as it is: of a trigger, its fields; by hand, its payload.
fn plain(written: Written, of_trigger: bool) -> Value {
    match written {
        Written::Event(_, event) => event,
        Written::Payload(Value::Object(fields)) if of_trigger => Value::Object(fields),
        Written::Payload(payload) | Written::Request { payload, .. } => json!({ "payload": payload }),
    }
}

/// Adds what every event has.
fn complete(event: &mut Value, kind: TriggerKind, now: Timestamp) {
    event["kind"] = kind.as_str().into();
    event["tier"] = json!(kind.tier());
    event["fired_at"] = now.to_string().into();
    if let Value::Object(fields) = event {
        fields.entry("payload").or_insert(Value::Null);
    }
}

/// What the templates see: those of outputs too.
fn context(job: &Job, event: &Value, now: Timestamp) -> Value {
    let mut event_of_run = event.clone();
    event_of_run["events"] = json!([event]);
    event_of_run["event_count"] = 1.into();
    event_of_run["gate"] = if job.gate.is_some() { GATE } else { "" }.into();
    let last_run: Map<String, Value> = LAST_RUN_FIELDS.iter().map(|field| ((*field).to_owned(), "".into())).collect();
    json!({
        "event": event_of_run,
        "job": { "id": job.id, "name": job.name, "working_dir": job.working_dir },
        "run": { "id": Uuid::nil(), "attempt": 1, "outcome": "succeeded", "output": OUTPUT, "error": null },
        "last_run": last_run,
        "now": now,
    })
}

fn sampled_output(spec: &crate::spec::OutputSpec, context: &Value) -> SampledOutput {
    let written = serde_json::to_value(spec).unwrap_or_default();
    let fields = written.as_object().into_iter().flatten().filter_map(|(name, value)| {
        let text = value.as_str().filter(|text| text.contains("{{") || text.contains("{%"))?;
        let template = Template::parse(text);
        let is_path = name == "path";
        let text = template
            .and_then(|template| if is_path { template.render_path(context) } else { template.render(context) });
        Some((name.clone(), rendered(text)))
    });
    SampledOutput { target: spec.to_string(), fields: fields.collect() }
}

fn rendered(result: Result<String, crate::template::TemplateError>) -> Rendered {
    match result {
        Ok(text) => Rendered::Text(text),
        Err(error) => Rendered::Error(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Defaults;
    use crate::spec::yaml;

    const JOB: &str = "\
prompt: '{{ event.kind }} {{ event.payload.action }} {{ job.id }} {{ last_run.output }}'
agent: {command: [cat]}
working_dir: /srv/work
triggers:
  - {type: webhook, id: hook, path: /hooks/x, secret_env: S, filter: \"payload.action == 'opened'\"}
  - {type: webhook, id: other, path: /hooks/y, secret_env: S}
  - {type: github, id: issues, repo: o/r}
  - {type: file_change, id: files, patterns: ['*']}
outputs:
  - {type: file, path: '~/out/{{ event.payload.action }}.md', template: '{{ run.output }}'}
  - {type: log}
";

    fn ask(event: Value, trigger: Option<&str>) -> Result<Sampled, String> {
        let job = Job::parse("j".parse().unwrap(), &yaml::parse(JOB).unwrap(), &Defaults::default()).unwrap();
        sample(&job, event, trigger, Some("bot"), Timestamp::UNIX_EPOCH)
    }

    fn verdict(event: Value, trigger: Option<&str>) -> (String, Option<String>) {
        let sampled = ask(event, trigger).unwrap();
        (sampled.trigger.to_string(), sampled.reason)
    }

    fn text(text: &str) -> Rendered {
        Rendered::Text(text.to_owned())
    }

    #[test]
    fn a_payload_is_rendered_and_filtered() {
        let opened = ask(json!({ "action": "opened" }), Some("hook")).unwrap();
        assert!(opened.is_good(), "{opened:?}");
        assert_eq!(opened.prompt, Some(text("webhook opened j ")));
        let out = &opened.outputs[0];
        assert_eq!(out.fields, [("path".to_owned(), text("~/out/opened.md")), ("template".to_owned(), text(OUTPUT))]);
        assert_eq!((opened.outputs[1].target.as_str(), opened.outputs[1].fields.len()), ("log", 0));
        assert_eq!(verdict(json!({ "action": "x" }), Some("hook")), ("hook".to_owned(), Some("filter".to_owned())));
        let lacking = ask(json!({}), Some("other")).unwrap();
        assert!(lacking.fires && !lacking.is_good());
        assert!(lacking.prompt.unwrap().error().unwrap().contains("undefined"));
    }

    #[test]
    fn a_gate_has_its_place() {
        let prompt = |gate: &str| {
            let text = format!("prompt: 'gate: {{{{ event.gate }}}}'\nagent: {{command: [cat]}}\n{gate}");
            let job = Job::parse("j".parse().unwrap(), &yaml::parse(&text).unwrap(), &Defaults::default()).unwrap();
            sample(&job, Value::Null, None, None, Timestamp::UNIX_EPOCH).unwrap().prompt.unwrap()
        };
        assert_eq!(prompt("when: {command: ['true']}\n"), text("gate: (what the gate says)"));
        assert_eq!(prompt(""), text("gate: "));
    }

    #[test]
    fn the_trigger_is_told_by_the_event_or_asked_for() {
        let request = |path: &str| json!({ "path": path, "headers": {}, "payload": { "action": "opened" } });
        assert_eq!(verdict(request("/hooks/y"), None).0, "other");
        let github = json!({ "headers": { "X-GitHub-Event": "issues" },
                             "payload": { "action": "opened", "repository": { "full_name": "o/r" } } });
        assert_eq!(verdict(github.clone(), None), ("issues".to_owned(), None));
        let other = json!({ "headers": { "X-GitHub-Event": "star" }, "payload": { "action": "created" } });
        assert_eq!(verdict(other, None).1.unwrap(), "not an event of this trigger");
        let files = json!({ "kind": "file_change", "tier": "event", "paths": ["a"], "payload": { "action": "x" } });
        assert_eq!(verdict(files, None), ("files".to_owned(), None));
        let by_hand = json!({ "kind": "manual", "tier": "operator", "payload": { "action": "x" } });
        assert_eq!(verdict(by_hand, None), ("manual".to_owned(), None));
        let mistakes: Vec<String> = [
            ask(json!({ "action": "x" }), None),
            ask(json!({ "action": "x" }), Some("nope")),
            ask(json!({ "action": "x" }), Some("issues")),
            ask(request("/hooks/z"), None),
            ask(json!({ "kind": "git_push", "tier": "event" }), None),
            ask(json!({ "headers": { "a": 1 } }), None),
        ]
        .map(Result::unwrap_err)
        .to_vec();
        insta::assert_snapshot!(mistakes.join("\n"));
    }
}
