//! What fires a job, as written.

use crate::fire::TriggerKind;
use crate::overlap::Overlap;
use crate::schedule::catch_up::CatchUpPolicy;
use crate::units::Span;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

/// One trigger of a job; `type` says which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TriggerSpec {
    /// Slots of a cron expression.
    Cron(CronSpec),
    /// Slots at a fixed distance.
    Interval(IntervalSpec),
    /// Changes in files.
    FileChange(FileChangeSpec),
    /// Signed HTTP requests.
    Webhook(WebhookSpec),
    /// Pushes to a git repository.
    GitPush(GitPushSpec),
    /// Events of a GitHub repository.
    Github(GithubSpec),
}

impl TriggerSpec {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> TriggerKind {
        match self {
            Self::Cron(_) => TriggerKind::Cron,
            Self::Interval(_) => TriggerKind::Interval,
            Self::FileChange(_) => TriggerKind::FileChange,
            Self::Webhook(_) => TriggerKind::Webhook,
            Self::GitPush(_) => TriggerKind::GitPush,
            Self::Github(_) => TriggerKind::Github,
        }
    }

    /// The id it was given, if any.
    #[must_use]
    pub fn given_id(&self) -> Option<&str> {
        match self {
            Self::Cron(spec) => spec.id.as_deref(),
            Self::Interval(spec) => spec.id.as_deref(),
            Self::FileChange(spec) => spec.id.as_deref(),
            Self::Webhook(spec) => spec.id.as_deref(),
            Self::GitPush(spec) => spec.id.as_deref(),
            Self::Github(spec) => spec.id.as_deref(),
        }
    }

    /// Its own overlap policy, if it has one.
    #[must_use]
    pub const fn overlap(&self) -> Option<Overlap> {
        match self {
            Self::Cron(spec) => spec.overlap,
            Self::Interval(spec) => spec.overlap,
            Self::FileChange(spec) => spec.overlap,
            Self::Webhook(spec) => spec.overlap,
            Self::GitPush(spec) => spec.overlap,
            Self::Github(spec) => spec.overlap,
        }
    }
}

/// Which slots that passed unseen are made up for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatchUpSpec {
    /// `none`, `once` or `all`; `once` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<CatchUpPolicy>,
    /// How old a slot may be; `24h` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub window: Option<Span>,
}

/// Slots of a cron expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CronSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Five fields, or six with seconds first, or an `@` name.
    pub cron: String,
    /// Its own zone, else the job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Spreads its slots over this time, the same for a slot every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub jitter: Option<Span>,
    /// Which missed slots are made up for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUpSpec>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// Slots at a fixed distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The distance in seconds.
    #[serde(serialize_with = "whole_seconds_whole")]
    pub seconds: f64,
    /// Spreads its slots over this time, the same for a slot every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub jitter: Option<Span>,
    /// Which missed slots are made up for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUpSpec>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// Changes in files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileChangeSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Globs with `**`, relative to `working_dir` or absolute; one beginning with `!` excludes.
    pub patterns: Vec<String>,
    /// Quiet time after the last change, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "some_whole_seconds_whole")]
    pub debounce_seconds: Option<f64>,
    /// How changes are noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchMode>,
    /// Whether changes made by the job's own run fire it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_writes: Option<OwnWrites>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// How changes in files are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WatchMode {
    /// By the operating system.
    Native,
    /// By looking again and again, for network mounts.
    Poll,
}

/// Whether changes made by the job's own run fire it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnWrites {
    /// They are recorded as filtered.
    Ignore,
    /// They fire.
    Fire,
}

/// Signed HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The path under the daemon's address.
    pub path: String,
    /// Name of the environment variable that holds the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// How requests are signed; `github` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<WebhookScheme>,
    /// An expression that must hold for the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Must be true for `scheme: none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// How webhook requests are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookScheme {
    /// `X-Hub-Signature-256`.
    Github,
    /// Standard Webhooks.
    Standard,
    /// Slack's signing secret.
    Slack,
    /// Stripe's signatures.
    Stripe,
    /// GitLab's token.
    Gitlab,
    /// Not at all.
    None,
}

/// Pushes to a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GitPushSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The repository's folder, or a remote URL.
    pub repo: String,
    /// A glob on the name after `refs/heads/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A glob on the name after `refs/tags/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// Events of a GitHub repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Event names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Issue or pull request number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Labels, any of which must be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Login of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// A glob on the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}

/// Writes `1800`, not `1800.0`, as people do.
fn whole_seconds_whole<S: Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    // Up to here a float holds every whole number, so none changes.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if seconds.fract() == 0.0 && seconds.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        return serializer.serialize_i64(*seconds as i64);
    }
    serializer.serialize_f64(*seconds)
}

fn some_whole_seconds_whole<S: Serializer>(seconds: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match seconds {
        Some(seconds) => whole_seconds_whole(seconds, serializer),
        None => serializer.serialize_none(),
    }
}
