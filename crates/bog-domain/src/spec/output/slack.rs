//! A Slack channel, as written.

use super::{DeliverWhen, DeliveryRetrySpec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A Slack channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackSpec {
    /// The channel, `#name` or id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Name of the variable that holds the bot token; `SLACK_BOT_TOKEN` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// Name of the variable that holds an incoming-webhook URL, instead of a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_env: Option<String>,
    /// `job`: one thread for all messages of the job in this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<SlackThread>,
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

/// What shares a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlackThread {
    /// Every message of the job.
    Job,
}
