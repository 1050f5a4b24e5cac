//! Whose doing a change is: that of a run which was under way when it happened, or somebody else's.

use super::Change;
use jiff::Timestamp;
use std::path::PathBuf;
use std::time::Duration;

/// The time for which an attempt of a run was under way, or a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it was claimed, or due.
    pub from: Timestamp,
    /// When it ended; `None` while it is under way.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Whether something that happened then happened during it. What is told late counts: up to `slack` after its end.
    #[must_use]
    pub fn covers(&self, at: Timestamp, slack: Duration) -> bool {
        self.meets(at, at, slack)
    }

    /// Whether something that happened between two instants may have happened during it, with the same `slack`.
    #[must_use]
    pub fn meets(&self, from: Timestamp, to: Timestamp, slack: Duration) -> bool {
        self.from <= to && self.settled_at(slack).is_none_or(|end| from <= end)
    }

    /// When nothing can be told any more that happened during it.
    fn settled_at(&self, slack: Duration) -> Option<Timestamp> {
        self.until.map(|until| until.checked_add(slack).unwrap_or(Timestamp::MAX))
    }
}

/// A time at which changes are a job's own doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// From when until when.
    pub window: Window,
    /// Only of these files; `None`: of all.
    pub files: Option<Vec<PathBuf>>,
}

impl Own {
    fn covers(&self, change: &Change, slack: Duration) -> bool {
        let may = |files: &Vec<PathBuf>| files.contains(&change.path);
        self.files.as_ref().is_none_or(may) && self.window.covers(change.at, slack)
    }
}

/// Changes by whose doing they are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Attributed {
    /// Somebody else's: they fire.
    pub foreign: Vec<Change>,
    /// Those of the job's runs that are over.
    pub own: Vec<Change>,
    /// Those of a run that is not over: they wait for its end.
    pub held: Vec<Change>,
}

/// Tells changes of the job's own runs and deliveries from all others.
#[must_use]
pub fn attribute(changes: Vec<Change>, own: &[Own], slack: Duration, now: Timestamp) -> Attributed {
    let mut attributed = Attributed::default();
    for change in changes {
        let mut covering = own.iter().filter(|own| own.covers(&change, slack)).peekable();
        let list = if covering.peek().is_none() {
            &mut attributed.foreign
        } else if covering.any(|own| own.window.settled_at(slack).is_none_or(|end| now < end)) {
            &mut attributed.held
        } else {
            &mut attributed.own
        };
        list.push(change);
    }
    attributed
}
