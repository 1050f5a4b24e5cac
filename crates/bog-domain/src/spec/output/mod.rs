//! Where a run's result goes, as written: one file per target.

mod email;
mod file;
mod github_comment;
mod log;
mod slack;
mod stdout;
mod webhook;

pub use email::EmailSpec;
pub use file::{FileMode, FileSpec};
pub use github_comment::{CommentMode, GithubCommentSpec, IssueNumber};
pub use log::LogSpec;
pub use slack::{SlackSpec, SlackThread};
pub use stdout::StdoutSpec;
pub use webhook::{WebhookFormat, WebhookOutputSpec};

use crate::units::Span;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// One output of a job; `type` says which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputSpec {
    /// The daemon's own log.
    Log(LogSpec),
    /// The daemon's standard output.
    Stdout(StdoutSpec),
    /// A file.
    File(FileSpec),
    /// A Slack channel.
    Slack(SlackSpec),
    /// A signed HTTP request.
    Webhook(WebhookOutputSpec),
    /// An e-mail.
    Email(EmailSpec),
    /// A comment on a GitHub issue or pull request.
    GithubComment(GithubCommentSpec),
}

/// Which runs an output is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliverWhen {
    /// Every run.
    #[default]
    Always,
    /// Runs that succeeded.
    Success,
    /// Runs that did not.
    Failure,
    /// Runs whose output differs from the last one delivered.
    Changed,
}

/// How often and how long an output is tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryRetrySpec {
    /// Attempts after the first; until the deadline where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// Delay before the first retry, doubling with each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub backoff: Option<Span>,
}

impl OutputSpec {
    /// The kind as written in `type`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Log(_) => "log",
            Self::Stdout(_) => "stdout",
            Self::File(_) => "file",
            Self::Slack(_) => "slack",
            Self::Webhook(_) => "webhook",
            Self::Email(_) => "email",
            Self::GithubComment(_) => "github_comment",
        }
    }

    /// Which runs it is told of.
    #[must_use]
    pub fn when(&self) -> DeliverWhen {
        self.written_when().unwrap_or_default()
    }

    /// Whether it says which runs it is told of.
    #[must_use]
    pub const fn has_when(&self) -> bool {
        self.written_when().is_some()
    }

    const fn written_when(&self) -> Option<DeliverWhen> {
        match self {
            Self::Log(spec) => spec.when,
            Self::Stdout(spec) => spec.when,
            Self::File(spec) => spec.when,
            Self::Slack(spec) => spec.when,
            Self::Webhook(spec) => spec.when,
            Self::Email(spec) => spec.when,
            Self::GithubComment(spec) => spec.when,
        }
    }

    /// Its template, if it has one.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        match self {
            Self::Log(spec) => spec.template.as_deref(),
            Self::Stdout(spec) => spec.template.as_deref(),
            Self::File(spec) => spec.template.as_deref(),
            Self::Slack(spec) => spec.template.as_deref(),
            Self::Webhook(spec) => spec.template.as_deref(),
            Self::Email(spec) => spec.template.as_deref(),
            Self::GithubComment(spec) => spec.template.as_deref(),
        }
    }

    /// Characters after which what is sent is cut.
    #[must_use]
    pub const fn max_length(&self) -> Option<usize> {
        match self {
            Self::Log(spec) => spec.max_length,
            Self::Stdout(spec) => spec.max_length,
            Self::File(spec) => spec.max_length,
            Self::Slack(spec) => spec.max_length,
            Self::Webhook(spec) => spec.max_length,
            Self::Email(spec) => spec.max_length,
            Self::GithubComment(spec) => spec.max_length,
        }
    }

    /// How often and how long it is tried.
    #[must_use]
    pub fn retry(&self) -> DeliveryRetrySpec {
        let retry = match self {
            Self::Log(spec) => spec.retry,
            Self::Stdout(spec) => spec.retry,
            Self::File(spec) => spec.retry,
            Self::Slack(spec) => spec.retry,
            Self::Webhook(spec) => spec.retry,
            Self::Email(spec) => spec.retry,
            Self::GithubComment(spec) => spec.retry,
        };
        retry.unwrap_or_default()
    }
}

impl fmt::Display for OutputSpec {
    /// The target in a few words, as `--output` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(_) => f.write_str("log"),
            Self::Stdout(_) => f.write_str("stdout"),
            Self::File(spec) => write!(f, "file:{}", spec.path),
            Self::Slack(spec) => write!(f, "slack:{}", spec.channel.as_deref().unwrap_or("incoming webhook")),
            // What follows a `?` is often a secret, and this is shown everywhere.
            Self::Webhook(spec) => {
                let url = spec.url.split('?').next().unwrap_or_default();
                write!(f, "webhook:{}", spec.url_env.as_deref().unwrap_or(url))
            }
            Self::Email(spec) => write!(f, "email:{}", spec.to),
            Self::GithubComment(spec) => write!(f, "github:{}#{}", spec.repo, spec.issue.0),
        }
    }
}
