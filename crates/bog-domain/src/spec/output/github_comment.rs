//! A comment on a GitHub issue or pull request, as written.

use super::{DeliverWhen, DeliveryRetrySpec};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use utoipa::ToSchema;

/// A comment on a GitHub issue or pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubCommentSpec {
    /// `owner/name`.
    pub repo: String,
    /// The issue's number; a template.
    pub issue: IssueNumber,
    /// Name of the variable that holds the token; `GITHUB_TOKEN` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// Base of the API, for an enterprise server (`https://github.example.com/api/v3`); the daemon's where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
    /// `new` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<CommentMode>,
    /// Which runs it is told of; `always` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<DeliverWhen>,
    /// What is sent; the run's output where left out. A template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Characters after which what is sent is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// How often and how long it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<DeliveryRetrySpec>,
}

/// Whether each run writes a comment of its own or the job's last one is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommentMode {
    /// A comment of its own.
    #[default]
    New,
    /// The job's last comment on that issue, where there is one.
    Update,
}

/// An issue's number, written as a number or as a template.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
pub struct IssueNumber(pub String);

impl<'de> Deserialize<'de> for IssueNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = IssueNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an issue number such as `1234`, or a template such as `{{ event.number }}`")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<IssueNumber, E> {
                Ok(IssueNumber(number.to_string()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<IssueNumber, E> {
                Ok(IssueNumber(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
