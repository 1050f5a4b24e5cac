//! Fires: the ledger's rows. Every due slot and every accepted event is one, and ends in exactly one disposition.

use crate::ids::FireId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of thing fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A slot of a cron expression.
    Cron,
    /// A slot of a fixed interval.
    Interval,
    /// A change in watched files.
    FileChange,
    /// An HTTP request to the job's path.
    Webhook,
    /// A ref of a git repository moved.
    GitPush,
    /// An event of a GitHub repository.
    Github,
    /// A person, through the CLI or the API.
    Manual,
}

impl TriggerKind {
    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Interval => "interval",
            Self::FileChange => "file_change",
            Self::Webhook => "webhook",
            Self::GitPush => "git_push",
            Self::Github => "github",
            Self::Manual => "manual",
        }
    }

    /// How far the content of its events is trusted.
    #[must_use]
    pub const fn tier(self) -> Tier {
        match self {
            Self::Cron | Self::Interval | Self::Manual => Tier::Operator,
            Self::FileChange | Self::Webhook | Self::GitPush | Self::Github => Tier::Event,
        }
    }
}

/// How far an event's content is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Written by the operator: manual fires with the token, cron, interval.
    Operator,
    /// Written by whoever can cause the event.
    Event,
}

/// How a fire ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// It has a run of its own.
    Run,
    /// A filter of the trigger kept it out.
    Filtered,
    /// It was merged into a run that was already waiting.
    Coalesced,
    /// Policy said no; the reason says which.
    Skipped,
    /// The slot passed while nothing could take it.
    Missed,
    /// The daemon would not take it: draining, or the queue is full.
    Refused,
    /// A loop breaker held it.
    Blocked,
}

impl Disposition {
    /// Every disposition.
    pub const ALL: [Self; 7] =
        [Self::Run, Self::Filtered, Self::Coalesced, Self::Skipped, Self::Missed, Self::Refused, Self::Blocked];

    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Filtered => "filtered",
            Self::Coalesced => "coalesced",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Refused => "refused",
            Self::Blocked => "blocked",
        }
    }
}

/// Why a fire has the disposition it has, where the disposition alone does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Filtered: what changed was written by the job's own run.
    OwnWrites,
    /// Skipped: the job was already running or waiting.
    Overlap,
    /// Skipped: the job is disabled.
    Disabled,
    /// Skipped: the job has had all its runs.
    MaxRuns,
    /// Skipped: what may be spent today is spent.
    Budget,
    /// Missed: catch-up policy takes none, or only the newest.
    CatchUp,
    /// Missed: older than the catch-up window.
    OutsideWindow,
    /// Blocked: too many runs stand between it and the outside world.
    Depth,
    /// Blocked: too many of the job's latest fires were caused by runs.
    Rate,
    /// Refused: the daemon is draining.
    Draining,
    /// Refused: `max_queued` runs of the job are waiting already.
    QueueFull,
    /// Filtered: the trigger's `filter` says no.
    Filter,
    /// Filtered: a comment that a run of this daemon wrote.
    OwnComment,
    /// Filtered: another issue or pull request.
    Number,
    /// Filtered: none of the trigger's labels.
    Labels,
    /// Filtered: somebody else did it.
    Actor,
    /// Filtered: another branch.
    Branch,
}

impl Reason {
    /// The words shown to people: `skipped: overlap`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OwnWrites => "own_writes",
            Self::Overlap => "overlap",
            Self::Disabled => "disabled",
            Self::MaxRuns => "max_runs",
            Self::Budget => "budget",
            Self::CatchUp => "catch_up",
            Self::OutsideWindow => "outside catch-up window",
            Self::Depth => "depth",
            Self::Rate => "rate",
            Self::Draining => "draining",
            Self::QueueFull => "queue full",
            Self::Filter => "filter",
            Self::OwnComment => "own comment",
            Self::Number => "number",
            Self::Labels => "labels",
            Self::Actor => "actor",
            Self::Branch => "branch",
        }
    }
}

/// What caused a fire: nothing, or a run of this daemon, at a depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// The fire whose run caused this one.
    pub fire: Option<FireId>,
    /// How many runs stand between this fire and the outside world; 0 for an event from outside.
    pub depth: u32,
}

macro_rules! display_as_str {
    ($($name:ty),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        })*
    };
}

display_as_str!(
    TriggerKind,
    Disposition,
    Reason,
    crate::run::RunState,
    crate::run::Outcome,
    crate::delivery::DeliveryState,
    crate::delivery::Purpose
);
