//! What a template sees, as far as it is known when a job is saved.

use super::TemplateError;
use crate::fire::TriggerKind;
use std::collections::HashSet;

/// The fields of `job`.
const JOB: &[&str] = &["id", "name", "working_dir"];
/// The fields of `run` in a prompt.
const RUN: &[&str] = &["attempt", "id"];
/// The fields of `run` in an output.
const ENDED_RUN: &[&str] = &["attempt", "error", "id", "outcome", "output"];
/// The fields of `event` whatever fired; `events` holds the newest where several were coalesced, `event_count` says how
/// many there were, and `payload` is null unless what fired, a person included, brought one; `gate` is what the job's gate said, empty where it has none.
const EVENT: &[&str] = &["event_count", "events", "fired_at", "gate", "kind", "payload", "tier"];
/// The fields of `incident` in an alert.
const INCIDENT: &[&str] = &["failures", "over", "since"];
/// Functions every template has.
const FUNCTIONS: &[&str] = &["dict", "namespace", "range"];

/// The fields of `last_run`. All are defined from the first run on, empty where there was none before.
pub const LAST_RUN_FIELDS: &[&str] =
    &["attempt", "error", "exit_code", "finished_at", "id", "outcome", "output", "queued_at", "started_at"];

/// The names one template may use.
#[derive(Debug, Clone)]
pub struct Scope {
    event: Vec<&'static str>,
    run: &'static [&'static str],
    alert: bool,
    steps: Vec<String>,
}

impl Scope {
    /// What prompts and arguments of a job with these triggers see. The fields of all its triggers are allowed: which
    /// of them fired is known only then.
    #[must_use]
    pub fn prompt(triggers: impl IntoIterator<Item = TriggerKind>) -> Self {
        Self::new(triggers, RUN)
    }

    /// The same for a step of a pipeline, which also sees the results of these earlier ones.
    #[must_use]
    pub fn with_steps(self, earlier: impl IntoIterator<Item = String>) -> Self {
        Self { steps: earlier.into_iter().collect(), ..self }
    }

    /// What output fields see: also how the run ended.
    #[must_use]
    pub fn output(triggers: impl IntoIterator<Item = TriggerKind>) -> Self {
        Self::new(triggers, ENDED_RUN)
    }

    /// What the fields of an alert see, which may be of any job.
    #[must_use]
    pub fn alert() -> Self {
        Self { alert: true, ..Self::new([], ENDED_RUN) }
    }

    fn new(triggers: impl IntoIterator<Item = TriggerKind>, run: &'static [&'static str]) -> Self {
        let mut event: Vec<&str> = triggers.into_iter().flat_map(event_fields).chain(EVENT).copied().collect();
        event.sort_unstable();
        event.dedup();
        Self { event, run, alert: false, steps: Vec::new() }
    }

    /// Checks the dotted names a template looks up.
    pub(super) fn check(&self, names: HashSet<String>) -> Result<(), TemplateError> {
        let mut names: Vec<String> = names.into_iter().collect();
        // The same complaint each time, and the shortest first.
        names.sort_unstable();
        names.iter().try_for_each(|name| self.check_name(name))
    }

    fn check_name(&self, name: &str) -> Result<(), TemplateError> {
        let mut parts = name.split('.');
        let (root, field) = (parts.next().unwrap_or(name), parts.next());
        let steps: Vec<&str> = self.steps.iter().map(String::as_str).collect();
        let fields = match root {
            "event" => self.event.as_slice(),
            "job" => JOB,
            "run" => self.run,
            "last_run" => LAST_RUN_FIELDS,
            "steps" if !steps.is_empty() => &steps,
            "incident" if self.alert => INCIDENT,
            "now" => return Ok(()),
            function if FUNCTIONS.contains(&function) => return Ok(()),
            _ => {
                let incident = if self.alert { " `incident`," } else { "" };
                let known = format!("it sees `event`,{incident} `job`, `last_run`, `now` and `run`");
                return Err(TemplateError::UnknownName { name: root.to_owned(), known });
            }
        };
        match field {
            Some(field) if !fields.contains(&field) => {
                let known = format!("`{root}` has `{}`", fields.join("`, `"));
                Err(TemplateError::UnknownName { name: format!("{root}.{field}"), known })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What an event of this kind brings besides the common fields.
pub(crate) fn event_fields(kind: TriggerKind) -> &'static [&'static str] {
    match kind {
        TriggerKind::Cron | TriggerKind::Interval => &["due_at", "scheduled_count"],
        TriggerKind::FileChange => &[
            "created",
            "created_count",
            "modified",
            "modified_count",
            "path_count",
            "paths",
            "removed",
            "removed_count",
        ],
        TriggerKind::Webhook => &["delivery_id", "headers", "path"],
        TriggerKind::GitPush => &[
            "branch",
            "commit_count",
            "commits",
            "created",
            "deleted",
            "forced",
            "new_sha",
            "old_sha",
            "path_count",
            "paths",
            "ref",
            "repo",
            "tag",
        ],
        TriggerKind::Github => {
            &["actor", "body", "branch", "delivery_id", "event", "headers", "labels", "number", "repo", "title", "url"]
        }
        TriggerKind::Manual => &[],
    }
}
