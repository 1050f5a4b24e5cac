//! When changes fire: once it has been quiet for a while, and however long it is not, not later than a limit.

use std::time::Duration;

/// The quiet time where the trigger does not say.
const DEFAULT_QUIET: Duration = Duration::from_secs(5);

/// The limit where the trigger does not say.
const DEFAULT_MAX_WAIT: Duration = Duration::from_secs(60);

/// The least quiet time: file systems keep times to a few milliseconds, and two writes within one such step look the same.
pub(super) const MIN_QUIET: Duration = Duration::from_millis(20);

/// The most that may be asked for, in seconds.
pub const MAX_SECONDS: f64 = 24.0 * 60.0 * 60.0;

/// A trailing debounce with a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Debounce {
    /// Quiet time after the last change.
    pub quiet: Duration,
    /// The longest time from the first change on.
    pub max_wait: Duration,
}

impl Debounce {
    /// As written, in seconds that were checked.
    #[must_use]
    pub(super) fn new(quiet: Option<f64>, max_wait: Option<f64>) -> Self {
        let quiet = quiet.map_or(DEFAULT_QUIET, Duration::from_secs_f64).max(MIN_QUIET);
        let max_wait = max_wait.map_or(DEFAULT_MAX_WAIT, Duration::from_secs_f64).max(quiet);
        Self { quiet, max_wait }
    }

    /// When changes fire, the first and the last of which were then. All three are times since any one instant.
    #[must_use]
    pub fn due(&self, first: Duration, last: Duration) -> Duration {
        last.saturating_add(self.quiet).min(first.saturating_add(self.max_wait))
    }
}
