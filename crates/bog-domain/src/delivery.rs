//! Deliveries: their states, and what an attempt to deliver leads to.

mod digest;
mod host;
mod pace;

pub use digest::{Digest, digest};
pub use host::Host;
pub use pace::Pace;

use crate::retry::backoff;
use crate::spec::DeliveryRetrySpec;
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

/// Why something is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// A job's result, to one of its outputs.
    Output,
    /// A job began to fail: to the daemon's `on_failure` outputs.
    Alert,
    /// A job that failed works again: to the same.
    Recovery,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Output, Self::Alert, Self::Recovery];

    /// The name used in the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Alert => "alert",
            Self::Recovery => "recovery",
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
    /// How long after it was made, or asked for again, it gives up.
    pub deadline: Duration,
}

impl DeliveryPolicy {
    /// The longest delay between two attempts, where the target does not ask for a longer one.
    pub const MAX_BACKOFF: Duration = Duration::from_secs(5 * 60);
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        Self { backoff: Duration::from_secs(1), max_retries: None, deadline: Duration::from_secs(24 * 60 * 60) }
    }
}

impl From<DeliveryRetrySpec> for DeliveryPolicy {
    fn from(written: DeliveryRetrySpec) -> Self {
        let default = Self::default();
        let backoff = written.backoff.map_or(default.backoff, crate::units::Span::duration);
        Self { backoff, max_retries: written.max, ..default }
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

impl Attempted {
    /// Whether the host did its part: what it refuses for good says nothing against it.
    #[must_use]
    pub const fn host_answers(&self) -> bool {
        match self {
            Self::Delivered { .. } | Self::Permanent { .. } => true,
            Self::Passing { .. } | Self::Unknown { .. } => false,
        }
    }
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
        /// Whether this or an earlier attempt may have arrived: it waits as `unknown` then.
        may_have_arrived: bool,
        /// Whether later deliveries of its job to the same target go ahead of it from now on.
        lets_pass: bool,
    },
    /// Give up.
    GaveUp {
        /// What went wrong.
        error: String,
    },
    /// Give up, and say that it may have arrived.
    Unknown {
        /// What went wrong.
        error: String,
    },
}

impl AfterDelivery {
    /// The state that follows.
    #[must_use]
    pub const fn state(&self) -> DeliveryState {
        match self {
            Self::Delivered { .. } => DeliveryState::Delivered,
            Self::RetryAfter { may_have_arrived: false, .. } => DeliveryState::Retrying,
            Self::RetryAfter { may_have_arrived: true, .. } | Self::Unknown { .. } => DeliveryState::Unknown,
            Self::GaveUp { .. } => DeliveryState::GaveUp,
        }
    }
}

/// Where a delivery stands as an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The state before the attempt.
    pub was: DeliveryState,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// How long ago it was made, or asked for again.
    pub age: Duration,
}

/// How long a delivery that keeps failing holds back the later ones of its job to the same target. Longer, and one
/// message that a target cannot digest would silence the job; shorter, and an outage would mix up the order.
pub const HOLDS_BACK: Duration = Duration::from_secs(60 * 60);

/// Characters of an error or a receipt that are kept.
const MAX_SAID: usize = 1000;

/// Decides what follows an attempt; `roll` from `0.0..1.0` spreads the delay.
///
/// A delay that the target asked for is kept to, and bounded by the deadline: the last attempt is made then. A result
/// that is not known is tried again, under the same id, by which a target can tell; once that has happened the
/// delivery stays `unknown` until the target says yes or no.
#[must_use]
pub fn after_delivery(attempted: Attempted, standing: Standing, policy: &DeliveryPolicy, roll: f64) -> AfterDelivery {
    let Standing { was, attempt, age } = standing;
    let before = was == DeliveryState::Unknown;
    let (error, retry_after, may_have_arrived) = match attempted {
        Attempted::Delivered { receipt } => {
            return AfterDelivery::Delivered { receipt: receipt.as_deref().map(shortened) };
        }
        Attempted::Permanent { error } => {
            let doubt = if before { "; an earlier attempt may have arrived" } else { "" };
            return AfterDelivery::GaveUp { error: shortened(&error) + doubt };
        }
        Attempted::Passing { error, retry_after } => (shortened(&error), retry_after, before),
        Attempted::Unknown { error } => (shortened(&error), None, true),
    };
    let tries_left = policy.max_retries.is_none_or(|max| attempt <= max);
    let time_left = policy.deadline.saturating_sub(age);
    if tries_left && !time_left.is_zero() {
        let delay = backoff(policy.backoff, DeliveryPolicy::MAX_BACKOFF, attempt, roll);
        let delay = delay.max(retry_after.unwrap_or_default()).min(time_left);
        return AfterDelivery::RetryAfter { delay, error, may_have_arrived, lets_pass: age >= HOLDS_BACK };
    }
    let attempts = if attempt == 1 { "1 attempt".to_owned() } else { format!("{attempt} attempts") };
    if may_have_arrived {
        AfterDelivery::Unknown { error: format!("{error}; it may have arrived; gave up after {attempts}") }
    } else {
        AfterDelivery::GaveUp { error: format!("{error}; gave up after {attempts}") }
    }
}

/// What a target says may be a whole page; a record has no room for that.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SAID) {
        Some((cut, _)) => format!("{} [cut]", &text[..cut]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::AfterDelivery::{GaveUp, RetryAfter};
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn passing() -> Attempted {
        Attempted::Passing { error: "busy".to_owned(), retry_after: None }
    }

    fn unknown() -> Attempted {
        Attempted::Unknown { error: "no answer".to_owned() }
    }

    fn after(attempted: Attempted, was: DeliveryState, attempt: u32, age_s: u64) -> AfterDelivery {
        let standing = Standing { was, attempt, age: Duration::from_secs(age_s) };
        after_delivery(attempted, standing, &DeliveryPolicy::default(), 1.0)
    }

    /// The delay in seconds, where it is tried again.
    fn delay(after: &AfterDelivery) -> Option<u64> {
        if let RetryAfter { delay, .. } = after { Some(delay.as_secs()) } else { None }
    }

    #[test]
    fn passing_errors_are_tried_until_the_deadline_with_a_last_attempt_then() {
        let at = |attempt, age| delay(&after(passing(), DeliveryState::Retrying, attempt, age));
        assert_eq!((at(1, 0), at(9, 60), at(40, 3600)), (Some(1), Some(256), Some(300)));
        assert_eq!((at(300, DAY - 20), at(301, DAY)), (Some(20), None));
        let error = "busy; gave up after 301 attempts".to_owned();
        assert_eq!(after(passing(), DeliveryState::Retrying, 301, DAY), GaveUp { error });
    }

    #[test]
    fn no_more_than_the_maximum_of_attempts_is_made() {
        let policy = DeliveryPolicy { max_retries: Some(2), ..DeliveryPolicy::default() };
        let standing = |attempt| Standing { was: DeliveryState::Retrying, attempt, age: Duration::ZERO };
        assert!(delay(&after_delivery(passing(), standing(2), &policy, 0.0)).is_some());
        assert!(delay(&after_delivery(passing(), standing(3), &policy, 0.0)).is_none());
    }

    #[test]
    fn what_the_target_asks_for_is_kept_to_and_bounded_by_the_deadline() {
        let asked =
            |seconds| Attempted::Passing { error: "busy".to_owned(), retry_after: Some(Duration::from_secs(seconds)) };
        let at = |seconds, age| delay(&after(asked(seconds), DeliveryState::Pending, 1, age));
        assert_eq!((at(0, 0), at(30, 0), at(7200, 0)), (Some(1), Some(30), Some(7200)));
        assert_eq!(at(u64::MAX, 3600), Some(DAY - 3600));
    }

    #[test]
    fn permanent_errors_give_up_at_once() {
        let permanent = || Attempted::Permanent { error: "no".to_owned() };
        assert_eq!(after(permanent(), DeliveryState::Pending, 1, 0), GaveUp { error: "no".to_owned() });
        let error = "no; an earlier attempt may have arrived".to_owned();
        assert_eq!(after(permanent(), DeliveryState::Unknown, 2, 0), GaveUp { error });
    }

    #[test]
    fn a_result_that_is_not_known_is_tried_again_and_stays_unknown() {
        let waiting = |after: &AfterDelivery| delay(after).map(|_| after.state());
        let first = after(unknown(), DeliveryState::Pending, 1, 0);
        assert_eq!(waiting(&first), Some(DeliveryState::Unknown));
        let second = after(passing(), DeliveryState::Unknown, 2, 5);
        assert_eq!(waiting(&second), Some(DeliveryState::Unknown));
        let known = after(passing(), DeliveryState::Retrying, 2, 5);
        assert_eq!(waiting(&known), Some(DeliveryState::Retrying));
        let error = "busy; it may have arrived; gave up after 7 attempts".to_owned();
        assert_eq!(after(passing(), DeliveryState::Unknown, 7, DAY), AfterDelivery::Unknown { error });
        let receipt = Some("id".to_owned());
        let delivered = Attempted::Delivered { receipt: receipt.clone() };
        assert_eq!(after(delivered, DeliveryState::Unknown, 2, 0), AfterDelivery::Delivered { receipt });
    }

    #[test]
    fn one_that_fails_for_an_hour_lets_later_ones_pass() {
        let passes =
            |age| matches!(after(passing(), DeliveryState::Retrying, 20, age), RetryAfter { lets_pass: true, .. });
        assert_eq!((passes(3599), passes(3600)), (false, true));
    }

    #[test]
    fn a_page_of_an_error_is_cut() {
        let error = Attempted::Permanent { error: "é".repeat(5000) };
        let GaveUp { error } = after(error, DeliveryState::Pending, 1, 0) else { panic!("not given up") };
        assert_eq!(error.chars().count(), MAX_SAID + " [cut]".len());
    }
}
