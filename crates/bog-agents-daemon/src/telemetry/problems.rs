//! What is wrong with the daemon while it goes on: `/health` and `status` show it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The problems there are now, each under the name of who reports it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    standing: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl Problems {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports a problem, in place of the reporter's last one.
    pub fn report(&self, reporter: &'static str, problem: impl Into<String>) {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).insert(reporter, problem.into());
    }

    /// Takes the reporter's problem back.
    pub fn clear(&self, reporter: &'static str) {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).remove(reporter);
    }

    /// All of them, for people.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reporter_has_one_problem_at_a_time() {
        let problems = Problems::new();
        problems.report("watcher", "one");
        problems.clone().report("watcher", "two");
        problems.report("store", "three");
        assert_eq!(problems.all(), ["three", "two"]);
        problems.clear("watcher");
        assert_eq!(problems.all(), ["three"]);
    }
}
