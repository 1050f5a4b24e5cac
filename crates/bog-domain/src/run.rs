//! Runs: their states, outcomes, usage, and what a finished attempt leads to.

use crate::agent_end::{ModelUsage, cost_usd};
use crate::retry::RetryPolicy;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Waiting for a permit, for an earlier run of its job, or for its next attempt.
    Queued,
    /// Claimed: an attempt is under way.
    Running,
    /// Stopped at a budget, to be resumed by hand.
    Paused,
    /// Ended, with an outcome.
    Finished,
}

impl RunState {
    /// Every state, in the order of a run's life.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Paused, Self::Finished];

    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
        }
    }
}

/// How a run, or one attempt of it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The agent ended well.
    Succeeded,
    /// The agent ended with a failure of its own.
    Failed,
    /// The wall-clock limit was reached.
    TimedOut,
    /// Another limit was reached.
    LimitExceeded,
    /// Cancelled by a person, or replaced by a newer run.
    Cancelled,
    /// The attempt was cut off from outside: a kill, a reboot, a lost folder.
    Interrupted,
    /// The agent could not be started.
    StartFailed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] = [
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::LimitExceeded,
        Self::Cancelled,
        Self::Interrupted,
        Self::StartFailed,
    ];

    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::LimitExceeded => "limit_exceeded",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::StartFailed => "start_failed",
        }
    }
}

/// What an attempt consumed. Absent figures were not measured, which is not the same as zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Tokens sent to a model, those read from a cache left out.
    pub input_tokens: Option<u64>,
    /// Tokens a model produced.
    pub output_tokens: Option<u64>,
    /// Of what was sent besides, tokens that the model's provider read from its cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Tokens that it wrote to its cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Price of those tokens in US dollars, unrounded.
    pub cost_usd: Option<f64>,
    /// CPU time of the whole process tree, in seconds: what its control group counted; without one, the most that was
    /// seen of it, which misses processes that lived and ended between two looks under a parent that never waits.
    pub cpu_seconds: Option<f64>,
    /// Peak memory of the whole process tree, in bytes. With a control group and its memory controller, what the kernel
    /// counted, page cache included. Without, the most that was seen at a look of what cannot be read again from a file,
    /// pages that processes share counted once; or what the largest process had resident, where that is more.
    pub peak_memory_bytes: Option<u64>,
}

impl Usage {
    /// The same with what the models were used for; unchanged where nothing was told of them.
    #[must_use]
    pub fn with_models(self, models: &[ModelUsage]) -> Self {
        let sum = |of: fn(&ModelUsage) -> Option<u64>| models.iter().filter_map(of).reduce(u64::saturating_add);
        Self {
            input_tokens: sum(|model| model.input_tokens).or(self.input_tokens),
            output_tokens: sum(|model| model.output_tokens).or(self.output_tokens),
            cache_read_tokens: sum(|model| model.cache_read_tokens).or(self.cache_read_tokens),
            cache_write_tokens: sum(|model| model.cache_write_tokens).or(self.cache_write_tokens),
            cost_usd: cost_usd(models).or(self.cost_usd),
            ..self
        }
    }
}

/// What to do with a job's run when its attempt was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnInterrupt {
    /// Attempt it again.
    Retry,
    /// End the run as `interrupted`.
    Fail,
}

/// What follows an attempt's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAttempt {
    /// The run ends with the attempt's outcome.
    Finish,
    /// The run is queued again, not to be claimed before this delay.
    RetryAfter(Duration),
}

/// Decides what follows an attempt that ended with `outcome`.
///
/// `attempt` counts from 1, `max_attempts` includes the first, and `roll` is a uniform draw from `0.0..1.0` that
/// spreads the delay. What `max_attempts` has more than `retry` allows are attempts that cost none: gates, pauses, those that
/// never began. They are not counted. A cancelled run is never attempted again; an interrupted one only if its policy says so, and
/// then even where no retries were asked for, up to three times: it is the machine that failed, not the agent.
#[must_use]
pub fn after_attempt(
    outcome: Outcome,
    attempt: u32,
    max_attempts: u32,
    retry: &RetryPolicy,
    on_interrupt: OnInterrupt,
    roll: f64,
) -> AfterAttempt {
    let free = max_attempts.saturating_sub(retry.max_retries.saturating_add(1));
    let attempt = attempt.saturating_sub(free).max(1);
    let max_attempts = max_attempts - free;
    let again = match outcome {
        Outcome::Succeeded | Outcome::Cancelled => false,
        Outcome::Interrupted => on_interrupt == OnInterrupt::Retry && attempt < max_attempts.max(INTERRUPT_ATTEMPTS),
        Outcome::Failed | Outcome::TimedOut | Outcome::LimitExceeded | Outcome::StartFailed => attempt < max_attempts,
    };
    if again { AfterAttempt::RetryAfter(retry.delay(attempt, roll)) } else { AfterAttempt::Finish }
}

/// Attempts an interrupted run gets in all when its policy is `retry`, whatever `retry.max` says.
pub const INTERRUPT_ATTEMPTS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(outcome: Outcome, attempt: u32, max: u32, on_interrupt: OnInterrupt) -> AfterAttempt {
        let retry = RetryPolicy { max_retries: max - 1, backoff: Duration::from_secs(10) };
        after_attempt(outcome, attempt, max, &retry, on_interrupt, 0.5)
    }

    #[test]
    fn failures_use_up_their_attempts() {
        assert_eq!(decide(Outcome::Failed, 3, 3, OnInterrupt::Fail), AfterAttempt::Finish);
        assert!(matches!(decide(Outcome::Failed, 2, 3, OnInterrupt::Fail), AfterAttempt::RetryAfter(_)));
        assert_eq!(decide(Outcome::Succeeded, 1, 3, OnInterrupt::Retry), AfterAttempt::Finish);
        assert_eq!(decide(Outcome::Cancelled, 1, 3, OnInterrupt::Retry), AfterAttempt::Finish);
    }

    #[test]
    fn interrupts_follow_their_own_policy() {
        assert_eq!(decide(Outcome::Interrupted, 1, 3, OnInterrupt::Fail), AfterAttempt::Finish);
        assert!(matches!(decide(Outcome::Interrupted, 2, 1, OnInterrupt::Retry), AfterAttempt::RetryAfter(_)));
        assert_eq!(decide(Outcome::Interrupted, 3, 1, OnInterrupt::Retry), AfterAttempt::Finish);
    }

    #[test]
    fn attempts_that_cost_nothing_use_up_no_interrupts() {
        let retry = RetryPolicy { max_retries: 0, backoff: Duration::from_secs(10) };
        // A gate and two pauses: the fourth attempt is the first that counts.
        let after = |outcome, attempt| after_attempt(outcome, attempt, 4, &retry, OnInterrupt::Retry, 0.5);
        let first = after_attempt(Outcome::Interrupted, 1, 1, &retry, OnInterrupt::Retry, 0.5);
        assert_eq!(after(Outcome::Interrupted, 4), first);
        assert!(matches!(after(Outcome::Interrupted, 5), AfterAttempt::RetryAfter(_)));
        assert_eq!(after(Outcome::Interrupted, 6), AfterAttempt::Finish);
        assert_eq!(after(Outcome::Failed, 4), AfterAttempt::Finish);
    }
}
