//! Which secrets a job names. Only ever names: no value stands in a job.

use super::{GithubSpec, JobSpec, OutputSpec, TriggerSpec};
use std::collections::BTreeSet;

/// The bot token of a `slack` output that names none.
const SLACK_TOKEN: &str = "SLACK_BOT_TOKEN";
/// The token of a `github_comment` output that names none.
const GITHUB_TOKEN: &str = "GITHUB_TOKEN";
/// The webhook secret of a `github` trigger that names none.
const GITHUB_WEBHOOK_SECRET: &str = "GITHUB_WEBHOOK_SECRET";
/// The prefix of an `email` output that names none, and the one of its variables that is secret.
const SMTP_PREFIX: &str = "SMTP_";
const SMTP_PASSWORD: &str = "PASSWORD";

impl GithubSpec {
    /// The name of the secret that GitHub signs with.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        self.secret_env.as_deref().unwrap_or(GITHUB_WEBHOOK_SECRET)
    }
}

impl JobSpec {
    /// The names of all secrets that the job, its triggers and its outputs use, those they use by default included.
    #[must_use]
    pub fn secret_names(&self) -> BTreeSet<String> {
        let mut names = self.written_secret_names();
        names.extend(self.triggers.iter().filter_map(|trigger| match trigger {
            TriggerSpec::Webhook(hook) => hook.secret_env_previous.clone(),
            TriggerSpec::Github(github) => github.secret_env_previous.clone(),
            TriggerSpec::Cron(_) | TriggerSpec::Interval(_) | TriggerSpec::FileChange(_) | TriggerSpec::GitPush(_) => {
                None
            }
        }));
        for output in &self.outputs {
            match output {
                OutputSpec::Slack(slack) if slack.token_env.is_none() && slack.url_env.is_none() => {
                    names.insert(SLACK_TOKEN.to_owned());
                }
                OutputSpec::GithubComment(comment) if comment.token_env.is_none() => {
                    names.insert(GITHUB_TOKEN.to_owned());
                }
                OutputSpec::Email(email) => {
                    let prefix = email.smtp_env_prefix.as_deref().unwrap_or(SMTP_PREFIX);
                    names.insert(format!("{prefix}{SMTP_PASSWORD}"));
                }
                OutputSpec::Log(_)
                | OutputSpec::Stdout(_)
                | OutputSpec::File(_)
                | OutputSpec::Slack(_)
                | OutputSpec::Webhook(_)
                | OutputSpec::GithubComment(_) => {}
            }
        }
        names
    }

    /// The names of the secrets that are written in the job: those it cannot do without.
    #[must_use]
    pub fn written_secret_names(&self) -> BTreeSet<String> {
        let triggers = self.triggers.iter().flat_map(|trigger| match trigger {
            TriggerSpec::Webhook(hook) => vec![hook.secret_env.clone()],
            // Written or not: without it nothing that GitHub sends is taken.
            TriggerSpec::Github(github) => vec![Some(github.secret_name().to_owned())],
            TriggerSpec::Cron(_) | TriggerSpec::Interval(_) | TriggerSpec::FileChange(_) | TriggerSpec::GitPush(_) => {
                Vec::new()
            }
        });
        let outputs = self.outputs.iter().flat_map(|output| match output {
            OutputSpec::Slack(slack) => vec![slack.token_env.clone(), slack.url_env.clone()],
            OutputSpec::Webhook(hook) => {
                let of_headers = hook.secret_headers.values().cloned().map(Some);
                of_headers.chain([hook.url_env.clone(), hook.hmac_secret_env.clone()]).collect()
            }
            OutputSpec::GithubComment(comment) => vec![comment.token_env.clone()],
            OutputSpec::Log(_) | OutputSpec::Stdout(_) | OutputSpec::File(_) | OutputSpec::Email(_) => Vec::new(),
        });
        self.secrets.iter().cloned().chain(triggers.chain(outputs).flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::yaml;

    #[test]
    fn every_field_that_names_a_secret_counts() {
        let names = |text: &str| {
            let spec = yaml::parse(text).unwrap();
            (spec.secret_names().into_iter().collect::<Vec<_>>().join(" "), spec.written_secret_names().len())
        };
        let written = "secrets: [B, A]\ntriggers: [{type: webhook, path: /x, secret_env: C}]\noutputs:\n\
             - {type: slack, token_env: D}\n- {type: slack, url_env: E}\n- {type: webhook, url: 'https://x', hmac_secret_env: F}\n\
             - {type: github_comment, repo: a/b, issue: 1, token_env: G}\n- {type: webhook, url: 'https://x', secret_headers: {A: I}}\n- {type: webhook, url_env: J}\n- {type: email, to: a@b, smtp_env_prefix: H_}\n";
        assert_eq!(names(written), ("A B C D E F G H_PASSWORD I J".to_owned(), 9));
        let by_default = "outputs:\n- {type: slack, channel: '#x'}\n- {type: github_comment, repo: a/b, issue: 1}\n\
             - {type: email, to: a@b}\n- {type: webhook, url: 'https://x'}\n";
        assert_eq!(names(by_default), ("GITHUB_TOKEN SLACK_BOT_TOKEN SMTP_PASSWORD".to_owned(), 0));
        let hooks = "triggers:\n- {type: webhook, path: /x, secret_env: A, secret_env_previous: B}\n- {type: github}\n\
             - {type: github, id: other, secret_env: C, secret_env_previous: D}\n";
        assert_eq!(names(hooks), ("A B C D GITHUB_WEBHOOK_SECRET".to_owned(), 3));
        assert_eq!(names("env: [A]\noutputs: [{type: log}]\n"), (String::new(), 0));
    }
}
