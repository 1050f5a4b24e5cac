//! Deliveries: their states, and what an attempt to deliver leads to.

use crate::retry::backoff;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not tried yet.
    Pending,
    /// Tried and failed; it will be tried again.
    Retrying,
    /// The target took it.
    Delivered,
    /// Sent, but whether it arrived is not known.
    Unknown,
    /// It will not be tried again.
    GaveUp,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Retrying, Self::Delivered, Self::Unknown, Self::GaveUp];

    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Retrying => "retrying",
            Self::Delivered => "delivered",
            Self::Unknown => "unknown",
            Self::GaveUp => "gave_up",
        }
    }
}

/// How often and how long a delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Delay before the first retry; it doubles up to [`DeliveryPolicy::MAX_BACKOFF`].
    pub backoff: Duration,
    /// Attempts after the first; `None` means until the deadline.
    pub max_retries: Option<u32>,
    /// How long after the run's end it gives up.
    pub deadline: Duration,
}

impl DeliveryPolicy {
    /// The longest delay between two attempts.
    pub const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self { backoff: Duration::from_secs(1), max_retries: None, deadline: Duration::from_secs(24 * 60 * 60) }
    }
}

/// How one attempt to deliver went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempted {
    /// The target took it; the receipt is what the target says of it (a path, a message id).
    Delivered {
        /// The target's receipt, shown to people.
        receipt: Option<String>,
    },
    /// It failed in a way that may pass.
    Passing {
        /// What went wrong, for people.
        error: String,
        /// How long the target asked to be left alone (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// It failed in a way that will not pass.
    Permanent {
        /// What went wrong, for people.
        error: String,
    },
    /// It was sent and no answer came: it may have arrived.
    Unknown {
        /// What went wrong, for people.
        error: String,
    },
}

/// What follows an attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterDelivery {
    /// Done, with the target's receipt.
    Delivered {
        /// The target's receipt.
        receipt: Option<String>,
    },
    /// Try again after this delay.
    RetryAfter {
        /// How long to wait.
        delay: Duration,
        /// What went wrong.
        error: String,
    },
    /// Give up.
    GaveUp {
        /// What went wrong.
        error: String,
    },
}

/// Decides what follows attempt number `attempt` (from 1) made `age` after the run ended; `roll` from `0.0..1.0`
/// spreads the delay.
#[must_use]
pub fn after_delivery(
    attempted: Attempted,
    attempt: u32,
    age: Duration,
    policy: &DeliveryPolicy,
    roll: f64,
) -> AfterDelivery {
    match attempted {
        Attempted::Delivered { receipt } => AfterDelivery::Delivered { receipt },
        Attempted::Permanent { error } => AfterDelivery::GaveUp { error },
        Attempted::Passing { error, .. } | Attempted::Unknown { error } => {
            let delay = backoff(policy.backoff, DeliveryPolicy::MAX_BACKOFF, attempt, roll);
            let tries_left = policy.max_retries.is_none_or(|max| attempt <= max);
            if tries_left && age + delay < policy.deadline {
                AfterDelivery::RetryAfter { delay, error }
            } else {
                AfterDelivery::GaveUp { error: format!("{error}; gave up after {attempt} attempts") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(attempted: Attempted, attempt: u32, age_s: u64, max: Option<u32>) -> AfterDelivery {
        let policy = DeliveryPolicy { max_retries: max, ..DeliveryPolicy::default() };
        after_delivery(attempted, attempt, Duration::from_secs(age_s), &policy, 1.0)
    }

    fn passing() -> Attempted {
        Attempted::Passing { error: "busy".to_owned(), retry_after: None }
    }

    #[test]
    fn passing_errors_are_tried_until_the_deadline_or_the_maximum() {
        assert!(
            matches!(after(passing(), 9, 60, None), AfterDelivery::RetryAfter { delay, .. } if delay.as_secs() == 256)
        );
        assert!(matches!(after(passing(), 9, 24 * 3600, None), AfterDelivery::GaveUp { .. }));
        assert!(matches!(after(passing(), 2, 0, Some(2)), AfterDelivery::RetryAfter { .. }));
        assert!(matches!(after(passing(), 3, 0, Some(2)), AfterDelivery::GaveUp { .. }));
    }

    #[test]
    fn permanent_errors_give_up_at_once() {
        let permanent = Attempted::Permanent { error: "no".to_owned() };
        assert_eq!(after(permanent, 1, 0, None), AfterDelivery::GaveUp { error: "no".to_owned() });
    }
}
