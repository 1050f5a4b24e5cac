//! How far the end of a tree has come, and when its next step is due: TERM, then KILL again and again.
//!
//! The times are on a clock that nobody sets and that goes on during suspend.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How often the tree is struck again while it will not die.
const STRIKE_EVERY: Duration = Duration::from_millis(50);
/// How long a host that was asked to end gets before TERM, at most.
const ASK_PATIENCE: Duration = Duration::from_secs(5);
/// After so long of striking, processes of another user are left alone.
const STRIKE_PATIENCE: Duration = Duration::from_secs(5);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing asks for an end.
    Running,
    /// A host was asked to end by the end of its input; at `term_at` comes TERM, at `kill_at` KILL.
    Asked {
        /// When TERM is sent.
        term_at: Duration,
        /// When KILL is sent.
        kill_at: Duration,
    },
    /// TERM was sent; at `kill_at` comes KILL.
    Terminating {
        /// When.
        kill_at: Duration,
    },
    /// KILL is sent again and again.
    Killing {
        /// When it was sent first.
        since: Duration,
        /// When it is sent next.
        next: Duration,
    },
}

impl Phase {
    /// TERM was sent just now.
    pub fn terminating(now: Duration, grace: Duration) -> Self {
        Self::Terminating { kill_at: now.saturating_add(grace) }
    }

    /// A host was asked to end just now. It gets half of the grace, and no more than a few seconds, to let its agent end
    /// as the protocol has it.
    pub fn asked(now: Duration, grace: Duration) -> Self {
        let term_at = now.saturating_add((grace / 2).min(ASK_PATIENCE));
        Self::Asked { term_at, kill_at: now.saturating_add(grace) }
    }

    /// Whether TERM has not been sent yet.
    pub const fn is_before_term(self) -> bool {
        match self {
            Self::Running | Self::Asked { .. } => true,
            Self::Terminating { .. } | Self::Killing { .. } => false,
        }
    }

    /// When the next signal is to be sent; `None` where none is.
    pub fn strike_at(self) -> Option<Duration> {
        match self {
            Self::Running => None,
            Self::Asked { term_at, .. } => Some(term_at),
            Self::Terminating { kill_at } => Some(kill_at),
            Self::Killing { next, .. } => Some(next),
        }
    }

    /// KILL was sent just now.
    pub fn struck(self, now: Duration) -> Self {
        let since = match self {
            Self::Running | Self::Asked { .. } | Self::Terminating { .. } => now,
            Self::Killing { since, .. } => since,
        };
        Self::Killing { since, next: now + STRIKE_EVERY }
    }

    /// For how long KILL has been sent.
    pub fn killing_for(self, now: Duration) -> Duration {
        match self {
            Self::Running | Self::Asked { .. } | Self::Terminating { .. } => Duration::ZERO,
            Self::Killing { since, .. } => now.saturating_sub(since),
        }
    }

    /// Whether KILL was sent for so long that whatever may not be ended never will be.
    pub fn is_hopeless(self, now: Duration) -> bool {
        self.killing_for(now) > STRIKE_PATIENCE
    }
}

/// The time of this module.
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or_else(|_| Duration::ZERO, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kill_comes_after_the_grace_and_again_until_it_is_hopeless() {
        let at = Duration::from_secs(10);
        assert_eq!(Phase::Running.strike_at(), None);
        let asked = Phase::terminating(at, Duration::from_secs(2));
        assert_eq!(asked.strike_at(), Some(Duration::from_secs(12)));
        let struck = asked.struck(Duration::from_secs(12));
        assert_eq!(struck.strike_at(), Some(Duration::from_secs(12) + STRIKE_EVERY));
        let again = struck.struck(Duration::from_secs(17));
        assert!(!again.is_hopeless(Duration::from_secs(17)), "exactly the patience");
        assert!(again.is_hopeless(Duration::from_millis(17_001)), "counted from the first KILL");
        assert_eq!(Phase::terminating(at, Duration::MAX).strike_at(), Some(Duration::MAX));
    }
}
