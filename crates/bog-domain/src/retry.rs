//! Exponential backoff with jitter, for attempts of runs and of deliveries.

use std::time::Duration;

/// The longest delay between two attempts of a run.
pub const MAX_RUN_BACKOFF: Duration = Duration::from_secs(60 * 60);

/// How often a failed run is attempted again, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts after the first; 0 means none.
    pub max_retries: u32,
    /// Delay before the first retry; it doubles with each further one.
    pub backoff: Duration,
}

impl RetryPolicy {
    /// Attempts in all, the first included.
    #[must_use]
    pub const fn max_attempts(&self) -> u32 {
        self.max_retries.saturating_add(1)
    }

    /// The delay after attempt number `attempt` (from 1), spread by `roll` from `0.0..1.0`.
    #[must_use]
    pub fn delay(&self, attempt: u32, roll: f64) -> Duration {
        backoff(self.backoff, MAX_RUN_BACKOFF, attempt, roll)
    }
}

/// `base * 2^(attempt-1)`, at most `cap`, then spread evenly over its upper half ("equal jitter"): retries of many
/// runs that failed together do not come back together, and none comes back at once.
///
/// Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
#[must_use]
pub fn backoff(base: Duration, cap: Duration, attempt: u32, roll: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let full = base.saturating_mul(1 << doublings).min(cap);
    full.mul_f64(0.5 + roll.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let secs =
            |attempt, roll| backoff(Duration::from_secs(1), Duration::from_secs(300), attempt, roll).as_secs_f64();
        assert_eq!(secs(1, 1.0), 1.0);
        assert_eq!(secs(1, 0.0), 0.5);
        assert_eq!(secs(4, 1.0), 8.0);
        assert_eq!(secs(99, 1.0), 300.0);
    }
}
