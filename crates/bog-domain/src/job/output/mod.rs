//! Where a run's result goes.

mod email;
mod github_comment;
mod slack;
mod webhook;

pub use github_comment::issue_number;

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
                github_comment::check(&field, comment)?;
            }
            OutputSpec::Email(email) => {
                if let Some(subject) = &email.subject {
                    template(&field("subject"), subject, scope)?;
                }
                email::check(&field, email)?;
            }
            OutputSpec::Webhook(hook) => webhook::check(&field, hook)?,
            OutputSpec::Slack(slack) => slack::check(&field, slack)?,
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
}

/// The fields that name variables.
fn variables(spec: &OutputSpec) -> Vec<(&'static str, &str)> {
    let fields = match spec {
        OutputSpec::Slack(slack) => vec![("token_env", &slack.token_env), ("url_env", &slack.url_env)],
        OutputSpec::Webhook(hook) => vec![("url_env", &hook.url_env), ("hmac_secret_env", &hook.hmac_secret_env)],
        OutputSpec::Email(email) => vec![("smtp_env_prefix", &email.smtp_env_prefix)],
        OutputSpec::GithubComment(comment) => vec![("token_env", &comment.token_env)],
        OutputSpec::Log(_) | OutputSpec::Stdout(_) | OutputSpec::File(_) => Vec::new(),
    };
    fields.into_iter().filter_map(|(field, name)| Some((field, name.as_deref()?))).collect()
}

/// Checks that it is the address of something on the web, whoever it belongs to. Passwords have no place in it.
fn check_url(field: &str, written: &str) -> Result<(), SpecError> {
    let refuse = |problem: &str| Err(SpecError::new(field, format!("`{written}` {problem}")));
    match url::Url::parse(written) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) => {
            refuse("is not a URL: it begins with `https://` or `http://`")
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(SpecError::new(field, "has a user or password in it: values of secrets never stand in a job"))
        }
        Ok(url) if url.fragment().is_some() => refuse("has a `#`, which is never sent: leave it and what follows out"),
        Ok(_) => Ok(()),
        Err(_) if !written.starts_with("https://") && !written.starts_with("http://") => {
            refuse("is not a URL: it begins with `https://` or `http://`")
        }
        Err(error) => refuse(&format!("is not a URL: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::job::{Defaults, Job};
    use crate::spec::yaml;

    fn refusal(output: &str) -> String {
        let spec = yaml::parse(&format!("prompt: x\noutputs: [{{{output}}}]\n")).unwrap();
        match Job::parse("j".parse().unwrap(), &spec, &Defaults::default()) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_a_target_cannot_be_is_refused_with_what_it_can() {
        let outputs = [
            "type: slack",
            "type: slack, channel: '#a b'",
            "type: slack, channel: '#a', url_env: URL",
            "type: slack, url_env: URL, thread: job",
            "type: webhook",
            "type: webhook, url: 'https://example.com/', url_env: URL",
            "type: webhook, url: 'ftp://x'",
            "type: webhook, url: 'example.com/x'",
            "type: webhook, url: 'https://'",
            "type: webhook, url: 'https://me:hunter2@example.com/'",
            "type: webhook, url: 'https://example.com/#x'",
            "type: webhook, url: 'https://example.com/', headers: {'X Y': a}",
            "type: webhook, url: 'https://example.com/', headers: {X: \"a\\nInjected: b\"}",
            "type: webhook, url: 'https://example.com/', headers: {Content-Length: '1'}",
            "type: webhook, url: 'https://example.com/', headers: {Webhook-Id: a}",
            "type: webhook, url: 'https://example.com/', headers: {Authorization: 'Bearer hunter2'}",
            "type: webhook, url: 'https://example.com/', secret_headers: {Authorization: 'Bearer hunter2'}",
            "type: webhook, url: 'https://example.com/', headers: {X: a}, secret_headers: {x: B}",
            "type: email, to: ' '",
            "type: email, to: 'a@example.com, b'",
            "type: email, to: \"a@example.com\\nBcc: b@example.com\"",
            "type: email, to: a@example.com, from: nobody",
            "type: github_comment, repo: api, issue: 1",
            "type: github_comment, repo: a/b/c, issue: 1",
            "type: github_comment, repo: a/.., issue: 1",
            "type: github_comment, repo: a/b, issue: 0",
            "type: github_comment, repo: a/b, issue: '1/comments'",
            "type: github_comment, repo: a/b, issue: 1, api_url: github.example.com",
        ];
        insta::assert_snapshot!(outputs.map(|output| format!("{output}\n  {}", refusal(output))).join("\n"));
    }

    #[test]
    fn what_a_target_can_be() {
        for output in [
            "type: slack, channel: '#general', thread: job",
            "type: slack, channel: C0123456789",
            "type: slack, url_env: SLACK_URL",
            "type: webhook, url: 'http://[::1]:8080/x?y=z', headers: {X-Team: 'a b'}, secret_headers: {Authorization: AUTH}",
            "type: webhook, url_env: URL, format: cloudevents",
            "type: email, to: 'On call <oncall@example.com>, b+c@example.com', from: 'Bog <bog@example.com>'",
            "type: github_comment, repo: a-b/c.d, issue: '{{ event.payload.number }}', mode: update, api_url: 'https://x/api/v3'",
        ] {
            assert_eq!(refusal(output), "fine", "{output}");
        }
    }
}
