//! Which repositories cannot be followed just now, and why: said once in the log, and shown as one problem as long as it
//! lasts.

use crate::telemetry::Problems;
use bog_domain::git::Source;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The name under which the problem is reported.
const REPORTER: &str = "git";

/// Repositories named in it at most.
const NAMED: usize = 5;

/// The repositories that cannot be followed. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    problems: Problems,
    failing: Arc<Mutex<BTreeMap<Source, String>>>,
}

impl Standing {
    /// All are well so far.
    pub(super) fn new(problems: Problems) -> Self {
        Self { problems, failing: Arc::default() }
    }

    /// This one cannot be followed.
    pub(super) fn report(&self, source: &Source, why: String) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.get(source) != Some(&why) {
            tracing::warn!(git.repo = name(source), "a repository cannot be followed as it should be: {why}");
            failing.insert(source.clone(), why);
            self.show(&failing);
        }
    }

    /// This one is well, or of no interest any more.
    pub(super) fn clear(&self, source: &Source) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.remove(source).is_some() {
            tracing::info!(git.repo = name(source), "a repository is followed again");
            self.show(&failing);
        }
    }

    fn show(&self, failing: &BTreeMap<Source, String>) {
        if failing.is_empty() {
            return self.problems.clear(REPORTER);
        }
        let told: Vec<String> =
            failing.iter().take(NAMED).map(|(source, why)| format!("`{}`: {why}", name(source))).collect();
        let more = failing.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        self.problems.report(
            REPORTER,
            format!("git repositories that cannot be followed as they should be: {}{more}", told.join("; ")),
        );
    }
}

/// How a repository is called.
pub(super) fn name(source: &Source) -> &str {
    match source {
        Source::Folder(name) | Source::Remote(name) => name,
    }
}
