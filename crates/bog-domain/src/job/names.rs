//! Which names a job's templates may use.

use super::Trigger;
use crate::error::SpecError;
use crate::template::Template;
use std::collections::BTreeSet;

/// Fields of `event` that every fire has, or, as `payload`, may have: any job can be fired by hand with one.
const EVENT: [&str; 5] = ["kind", "fired_at", "tier", "events", "payload"];

/// Everything outside `event`. A bare root allows whatever is below it.
const OTHERS: [&str; 17] = [
    "job.id", "job.name", "job.working_dir", "run.id", "run.attempt", "run.output", "run.outcome", "run.error",
    "last_run.id", "last_run.started_at", "last_run.finished_at", "last_run.outcome", "last_run.output", "now", "event",
    "job", "last_run",
];

/// The names that are known to a job's templates.
#[derive(Debug, Clone)]
pub(super) struct Known(BTreeSet<String>);

impl Known {
    /// The same with one name more.
    pub(super) fn with(&self, name: &str) -> Self {
        let mut names = self.0.clone();
        names.insert(name.to_owned());
        Self(names)
    }
}

/// What the templates of a job with these triggers may use: fields of any of them, since a template cannot know which
/// will fire. A fire by hand may carry a context of its own, so a job without triggers may use any field.
pub(super) fn known(triggers: &[Trigger]) -> Known {
    let fields = triggers.iter().flat_map(|trigger| trigger.kind.event_fields()).chain(&EVENT);
    let event = fields.map(|field| format!("event.{field}"));
    Known(OTHERS.iter().map(|name| (*name).to_owned()).chain(event).collect())
}

/// Parses a template and checks the names in it.
pub(super) fn template(field: &str, text: &str, known: &Known) -> Result<Template, SpecError> {
    let template = Template::parse(text).map_err(|error| SpecError::new(field, error))?;
    let names: Vec<&str> = known.0.iter().map(String::as_str).collect();
    if let Some(unknown) = template.unknown_names(&names).first() {
        let root = unknown.split('.').next().unwrap_or(unknown);
        let near: Vec<&str> = names.iter().copied().filter(|name| name.starts_with(&format!("{root}."))).collect();
        let allowed = if near.is_empty() { vec!["event", "job", "run", "last_run", "now"] } else { near };
        let message = format!("unknown name `{unknown}` in the template: known are `{}`", allowed.join("`, `"));
        return Err(SpecError::new(field, message));
    }
    Ok(template)
}
