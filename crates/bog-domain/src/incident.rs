//! When people are told that a job fails: once as it begins to, and once as it works again.

use crate::run::Outcome;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A job that fails, from its first failed run to its next success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// When the first run failed.
    pub since: Timestamp,
    /// Runs that failed.
    pub failures: u64,
}

/// What becomes of a job's incident at the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It begins: people are told.
    Begins(Incident),
    /// It goes on: nobody is told again.
    GoesOn(Incident),
    /// It is over: people are told.
    Ends(Incident),
    /// Nothing changes.
    Same,
}

/// Decides what becomes of the incident `open` of a job whose run ended so. `alerts` says whether anybody is to be told;
/// where nobody is, none begins. A run that was cancelled says nothing of its job.
#[must_use]
pub fn turn(open: Option<Incident>, outcome: Outcome, alerts: bool, now: Timestamp) -> Turn {
    match outcome {
        Outcome::Cancelled => Turn::Same,
        Outcome::Succeeded => open.map_or(Turn::Same, Turn::Ends),
        Outcome::Failed | Outcome::TimedOut | Outcome::LimitExceeded | Outcome::Interrupted | Outcome::StartFailed => {
            match open {
                Some(open) => Turn::GoesOn(Incident { failures: open.failures.saturating_add(1), ..open }),
                None if alerts => Turn::Begins(Incident { since: now, failures: 1 }),
                None => Turn::Same,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alert_and_one_recovery_per_incident() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let one = Incident { since: at(1), failures: 1 };
        let two = Incident { failures: 2, ..one };
        assert_eq!(turn(None, Outcome::Succeeded, true, at(0)), Turn::Same);
        assert_eq!(turn(None, Outcome::Failed, true, at(1)), Turn::Begins(one));
        assert_eq!(turn(Some(one), Outcome::TimedOut, true, at(2)), Turn::GoesOn(two));
        assert_eq!(turn(Some(two), Outcome::Cancelled, true, at(3)), Turn::Same);
        assert_eq!(turn(Some(two), Outcome::Succeeded, true, at(4)), Turn::Ends(two));
        assert_eq!(turn(None, Outcome::Cancelled, true, at(5)), Turn::Same);
        assert_eq!(turn(None, Outcome::Failed, false, at(6)), Turn::Same, "nobody is to be told");
    }
}
