//! What fires a job, as written: one file per kind.

mod cron;
mod file_change;
mod git_push;
mod github;
mod interval;
mod webhook;

pub use cron::CronSpec;
pub use file_change::{FileChangeSpec, OwnWrites, WatchMode};
pub use git_push::GitPushSpec;
pub use github::GithubSpec;
pub use interval::IntervalSpec;
pub use webhook::{WebhookScheme, WebhookSpec};

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
