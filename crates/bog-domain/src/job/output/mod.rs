//! Where a run's result goes.

use super::{env_name, template};
use crate::error::SpecError;
use crate::run::Outcome;
use crate::spec::{DeliverWhen, JobSpec, OutputSpec};
use crate::template::Scope;

/// One output of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// As written, every template in it checked.
    pub spec: OutputSpec,
}

pub(super) fn parse_all(spec: &JobSpec, scope: &Scope) -> Result<Vec<Output>, SpecError> {
    let numbered = spec.outputs.iter().enumerate();
    numbered.map(|(index, output)| Output::parse(&format!("outputs[{index}]"), output, scope)).collect()
}

/// Checks the outputs that are told of any job that fails: `on_failure` of the daemon's settings.
///
/// # Errors
/// The first field that is wrong, with what is allowed.
pub fn alert_outputs(written: &[OutputSpec]) -> Result<Vec<Output>, SpecError> {
    let parse = |(index, output): (usize, &OutputSpec)| {
        let place = format!("on_failure[{index}]");
        if output.has_when() {
            let message = "not allowed here: it is told once as a job begins to fail, and once as it works again";
            return Err(SpecError::new(format!("{place}.when"), message));
        }
        Output::parse(&place, output, &Scope::alert())
    };
    written.iter().enumerate().map(parse).collect()
}

impl Output {
    fn parse(place: &str, spec: &OutputSpec, scope: &Scope) -> Result<Self, SpecError> {
        let field = |name: &str| format!("{place}.{name}");
        if let Some(text) = spec.template() {
            template(&field("template"), text, scope)?;
        }
        for (name, variable) in variables(spec) {
            env_name(&field(name), variable)?;
        }
        match spec {
            OutputSpec::File(file) => {
                if file.path.trim().is_empty() {
                    return Err(SpecError::new(
                        field("path"),
                        "empty: name a file, for example `~/reports/{{ job.id }}.md`",
                    ));
                }
                template(&field("path"), &file.path, scope)?;
            }
            OutputSpec::GithubComment(comment) => {
                template(&field("issue"), &comment.issue.0, scope)?;
            }
            OutputSpec::Email(email) => {
                if let Some(subject) = &email.subject {
                    template(&field("subject"), subject, scope)?;
                }
            }
            OutputSpec::Webhook(hook) => check_url(&field("url"), &hook.url)?,
            OutputSpec::Slack(slack) => {
                if slack.channel.is_none() && slack.url_env.is_none() {
                    return Err(SpecError::new(field("channel"), "missing: name a `channel`, or a `url_env`"));
                }
            }
            OutputSpec::Log(_) | OutputSpec::Stdout(_) => {}
        }
        Ok(Self { spec: spec.clone() })
    }

    /// Whether a run that ended so is delivered here; under `changed` also what was delivered before decides.
    #[must_use]
    pub fn wants(&self, outcome: Outcome) -> bool {
        match self.spec.when() {
            DeliverWhen::Always | DeliverWhen::Changed => true,
            DeliverWhen::Success => outcome == Outcome::Succeeded,
            DeliverWhen::Failure => outcome != Outcome::Succeeded,
        }
    }

    pub(super) fn warning(&self) -> Option<String> {
        let target = &self.spec;
        match target {
            OutputSpec::Log(_) | OutputSpec::Stdout(_) | OutputSpec::File(_) => None,
            OutputSpec::Slack(_) | OutputSpec::Webhook(_) | OutputSpec::Email(_) | OutputSpec::GithubComment(_) => {
                Some(format!(
                    "output `{target}`: this version delivers to `log`, `stdout` and `file` only: deliveries to it give up, \
                     and the run's record says so"
                ))
            }
        }
    }
}

/// The fields that name variables.
fn variables(spec: &OutputSpec) -> Vec<(&'static str, &str)> {
    let fields = match spec {
        OutputSpec::Slack(slack) => vec![("token_env", &slack.token_env), ("url_env", &slack.url_env)],
        OutputSpec::Webhook(hook) => vec![("hmac_secret_env", &hook.hmac_secret_env)],
        OutputSpec::Email(email) => vec![("smtp_env_prefix", &email.smtp_env_prefix)],
        OutputSpec::GithubComment(comment) => vec![("token_env", &comment.token_env)],
        OutputSpec::Log(_) | OutputSpec::Stdout(_) | OutputSpec::File(_) => Vec::new(),
    };
    fields.into_iter().filter_map(|(field, name)| Some((field, name.as_deref()?))).collect()
}

fn check_url(field: &str, url: &str) -> Result<(), SpecError> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(());
    }
    Err(SpecError::new(field, format!("`{url}` is not a URL: it begins with `https://` or `http://`")))
}
