//! A valid job. [`JobSpec`] becomes [`Job`] here and nowhere else; nothing downstream checks again.

mod agent;
mod gate;
mod grant;
mod limits;
mod output;
mod talk;
mod trigger;

pub use agent::Agent;
pub use gate::{GATE_OUTPUT, Gate, GateVerdict, gate_verdict};
pub use grant::{Grant, GrantPath, ModelSecrets, Places, SandboxDefaults};
pub use limits::{Ceilings, Clamped, Limits};
pub use output::{Output, alert_outputs, issue_number};
pub use talk::{Budget, DEFAULT_IDLE, Mcp, McpTransport, Step, Talk, Thread};
pub use trigger::{GitPush, Github, Hook, Timing, Trigger, Webhook};

use crate::error::SpecError;
use crate::ids::JobId;
use crate::overlap::Overlap;
use crate::retry::RetryPolicy;
use crate::run::OnInterrupt;
use crate::spec::{EventTrust, JobSpec};
use crate::template::{Scope, Template};
use std::time::Duration;

/// What a job gets where it says nothing, and at most; from the daemon's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// IANA zone of cron triggers.
    pub timezone: String,
    /// What a run may consume.
    pub limits: Limits,
    /// What no run may consume more of, whatever its job says.
    pub ceilings: Ceilings,
    /// What a run may touch.
    pub sandbox: SandboxDefaults,
    /// Which models there are.
    pub models: ModelDefaults,
}

/// Which models a daemon has. Where it is not known, nobody is warned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelDefaults {
    /// Whether jobs that name no model get one by the daemon's settings.
    pub has_default: bool,
    /// Names of the providers whose credentials are there.
    pub providers: Option<Vec<String>>,
}

impl Default for Defaults {
    fn default() -> Self {
        let (limits, ceilings, sandbox) = (Limits::default(), Ceilings::default(), SandboxDefaults::default());
        Self { timezone: "UTC".to_owned(), limits, ceilings, sandbox, models: ModelDefaults::default() }
    }
}

/// Runs of a job that may wait, where it does not say.
pub const DEFAULT_MAX_QUEUED: u32 = 1000;

/// Runs of a job at the same time under `overlap: parallel`, where it does not say.
pub const DEFAULT_MAX_PARALLEL: u32 = 4;

/// A valid job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its name for people: the id where it has none.
    pub name: String,
    /// What the agent is asked.
    pub prompt: Option<Template>,
    /// Who does the work.
    pub agent: Agent,
    /// A cheap check before the agent.
    pub gate: Option<Gate>,
    /// What the agent is told besides, where it speaks a protocol.
    pub talk: Talk,
    /// Where the agent works, as written: `~` not yet expanded.
    pub working_dir: Option<String>,
    /// What fires it, besides a person.
    pub triggers: Vec<Trigger>,
    /// Where the result goes, in the order written.
    pub outputs: Vec<Output>,
    /// Whether the daemon's `on_failure` outputs are told of it.
    pub alerts: bool,
    /// The overlap policy of fires by hand.
    pub manual_overlap: Overlap,
    /// Runs of this job at the same time: 1, unless one of its policies is `parallel`.
    pub max_parallel: u32,
    /// Runs of this job that may wait.
    pub max_queued: u32,
    /// Attempts after a failed one.
    pub retry: RetryPolicy,
    /// What to do with an interrupted run.
    pub on_interrupt: OnInterrupt,
    /// What a run may consume, the daemon's ceilings included.
    pub limits: Limits,
    /// Where that is less than the job asks for.
    pub clamped: Vec<Clamped>,
    /// What a run may touch; [`Job::grant_at`] says what is left of it at a tier.
    pub grant: Grant,
    /// How far those are trusted who can cause its events.
    pub event_trust: EventTrust,
    /// Names of environment variables passed to the agent.
    pub env: Vec<String>,
    /// Names of environment variables passed to the agent whose values are masked.
    pub secrets: Vec<String>,
    /// Runs after which the job takes no more fires; 0 means no end.
    pub max_runs: u64,
    /// Whether its triggers fire.
    pub enabled: bool,
    /// The variables of its model provider.
    model_secrets: Vec<String>,
    /// What somebody should know of its grant, which depends on where the daemon is.
    grant_warnings: Vec<String>,
}

impl Job {
    /// Checks a job as written.
    ///
    /// # Errors
    /// The first field that is wrong, with what is allowed. Positions are the caller's to add
    /// ([`SpecError::located_in`]).
    pub fn parse(id: JobId, spec: &JobSpec, defaults: &Defaults) -> Result<Self, SpecError> {
        check_id(&id, spec)?;
        let triggers = trigger::parse_all(spec, defaults)?;
        let agent = Agent::parse(spec)?;
        let kinds = || triggers.iter().map(|trigger| trigger.kind);
        let prompt =
            spec.prompt.as_deref().map(|text| template("prompt", text, &Scope::prompt(kinds()))).transpose()?;
        if prompt.is_none() && !matches!(agent, Agent::Command(_)) {
            return Err(SpecError::new(
                "prompt",
                "missing: an agent needs one; only `agent: {command: [...]}` can do without",
            ));
        }
        let outputs = output::parse_all(spec, &Scope::output(kinds()))?;
        let manual_overlap = spec.overlap.unwrap_or(Overlap::Queue);
        let talk = Talk::parse(spec, &agent, kinds())?;
        let max_parallel = max_parallel(spec, manual_overlap, &triggers, &talk.thread)?;
        let (limits, clamped) = Limits::parse(spec, &defaults.limits, &defaults.ceilings)?;
        let mut job = Self {
            name: spec.name.clone().unwrap_or_else(|| id.to_string()),
            prompt,
            gate: Gate::parse(spec)?,
            talk,
            working_dir: working_dir(spec)?,
            outputs,
            alerts: spec.alerts.unwrap_or(true),
            max_parallel,
            max_queued: at_least_one("max_queued", spec.max_queued, DEFAULT_MAX_QUEUED)?,
            retry: retry(spec),
            on_interrupt: spec.on_interrupt.unwrap_or(agent.default_on_interrupt()),
            limits,
            clamped,
            grant: Grant::parse(spec, &agent, defaults)?,
            event_trust: spec.trust.unwrap_or_default().event.unwrap_or_default(),
            model_secrets: defaults.sandbox.model_secrets.of_all(&spec.model.clone().unwrap_or_default().0),
            grant_warnings: Vec::new(),
            env: env_names("env", &spec.env)?,
            secrets: env_names("secrets", &spec.secrets)?,
            max_runs: spec.max_runs.unwrap_or(0),
            enabled: spec.enabled.unwrap_or(true),
            id,
            agent,
            triggers,
            manual_overlap,
        };
        job.grant_warnings = job.grant_warnings(&defaults.sandbox.places);
        job.grant_warnings.extend(job.model_warning(&defaults.models));
        job.grant_warnings.extend(job.budget_warning());
        Ok(job)
    }

    /// What may be provided later, and what is good to know about the job as it is: said at save, never an error.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let triggers = self.triggers.iter().filter_map(Trigger::warning);
        let clamped = self.clamped.iter().map(ToString::to_string);
        let grant = self.grant_warnings.iter().cloned();
        triggers.chain(clamped).chain(grant).collect()
    }

    /// The trigger of an id.
    #[must_use]
    pub fn trigger(&self, id: &crate::ids::TriggerId) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| &trigger.id == id)
    }
}

/// Parses a template and checks the names in it.
fn template(field: &str, text: &str, scope: &Scope) -> Result<Template, SpecError> {
    let template = Template::parse(text).map_err(|error| SpecError::new(field, error))?;
    template.check(scope).map_err(|error| SpecError::new(field, error))?;
    Ok(template)
}

fn check_id(id: &JobId, spec: &JobSpec) -> Result<(), SpecError> {
    match spec.id.as_deref() {
        Some(written) if written != id.as_str() => {
            let message = format!("`{written}` is not the file's name, `{id}`: make them the same, or leave `id` out");
            Err(SpecError::new("id", message))
        }
        Some(_) | None => Ok(()),
    }
}

fn working_dir(spec: &JobSpec) -> Result<Option<String>, SpecError> {
    let of_features = spec.features.as_ref().and_then(|features| features.working_dir.clone());
    let Some(dir) = spec.working_dir.clone().or(of_features) else { return Ok(None) };
    if dir.starts_with('/') || dir == "~" || dir.starts_with("~/") || std::path::Path::new(&dir).is_absolute() {
        return Ok(Some(dir));
    }
    let message = format!("`{dir}` is relative: write an absolute folder, or one that begins with `~/`");
    Err(SpecError::new("working_dir", message))
}

fn retry(spec: &JobSpec) -> RetryPolicy {
    let written = spec.retry.unwrap_or_default();
    let backoff = written.backoff.map_or(Duration::from_secs(10), crate::units::Span::duration);
    RetryPolicy { max_retries: written.max.unwrap_or(0), backoff }
}

fn at_least_one(field: &str, written: Option<u32>, default: u32) -> Result<u32, SpecError> {
    match written {
        Some(0) => Err(SpecError::new(field, "`0` is not allowed: at least 1")),
        Some(number) => Ok(number),
        None => Ok(default),
    }
}

fn max_parallel(spec: &JobSpec, manual: Overlap, triggers: &[Trigger], thread: &Thread) -> Result<u32, SpecError> {
    let written = at_least_one("max_parallel", spec.max_parallel, DEFAULT_MAX_PARALLEL)?;
    let parallel = manual == Overlap::Parallel || triggers.iter().any(|trigger| trigger.overlap == Overlap::Parallel);
    match thread {
        Thread::Linked | Thread::Session(_) if parallel => {
            let message = "runs that go on in one conversation cannot be parallel: change `overlap`, or take it out";
            Err(SpecError::new("continue", message))
        }
        Thread::Fresh | Thread::Linked | Thread::Session(_) => Ok(if parallel { written } else { 1 }),
    }
}

fn env_names(field: &str, names: &[String]) -> Result<Vec<String>, SpecError> {
    let checked = names.iter().enumerate().map(|(index, name)| env_name(&format!("{field}[{index}]"), name));
    checked.collect::<Result<(), _>>()?;
    Ok(names.to_vec())
}

/// Checks the name of a variable. A value that was written in its place is not repeated: it may be a secret.
fn env_name(field: &str, name: &str) -> Result<(), SpecError> {
    if is_env_name(name) {
        return Ok(());
    }
    let message = "not the name of an environment variable: letters, digits and `_`, for example `GITHUB_TOKEN`; values never \
                   stand in a job";
    Err(SpecError::new(field, message))
}

/// Whether that can be the name of an environment variable: letters, digits and `_`, no digit first.
#[must_use]
pub fn is_env_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::yaml;

    #[test]
    fn a_value_in_place_of_a_name_is_refused_and_not_repeated() {
        for text in [
            "secrets: ['hunter2-hunter2']",
            "env: [OK, '2hunter-hunter2']",
            "triggers: [{type: webhook, path: /x, secret_env: 'hunter2-hunter2'}]",
            "outputs: [{type: slack, token_env: 'hunter2-hunter2'}]",
            "outputs: [{type: slack, url_env: 'https://hunter2-hunter2'}]",
            "outputs: [{type: webhook, url: 'https://x', hmac_secret_env: 'hunter2-hunter2'}]",
            "outputs: [{type: email, to: a@b, smtp_env_prefix: 'hunter2-hunter2'}]",
            "outputs: [{type: github_comment, repo: a/b, issue: 1, token_env: 'hunter2-hunter2'}]",
        ] {
            let spec = yaml::parse(&format!("prompt: x\n{text}\n")).unwrap();
            let error = Job::parse("j".parse().unwrap(), &spec, &Defaults::default()).unwrap_err();
            assert!(error.message.contains("not the name of an environment variable"), "{text}: {error}");
            assert!(!error.to_string().contains("hunter"), "{error}");
        }
    }
}
