//! Whose doing a push is: that of a run whose agent may write where it happened, or that told the hook its id.

use super::GitPushes;
use crate::clock;
use crate::git::Spooled;
use crate::triggers::writers::Writers;
use bog_domain::fire::Cause;
use bog_domain::git::Move;
use bog_domain::ids::{JobUid, RunId};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How long after a run's end a push may still be its doing: what was pushed last is heard of a moment later.
const SLACK: Duration = Duration::from_secs(2);

impl GitPushes {
    /// The cause of what changed at a path between an instant and now, as far as that follows from the path.
    pub(super) async fn cause_at(&self, at: &Path, since: Timestamp) -> Cause {
        let now = clock::now();
        let writers = self.writers(since).await;
        writers.and_then(|writers| writers.cause_between(at, since, now)).unwrap_or_default()
    }

    /// The cause of what changed at an address between an instant and now: who pushes there is not seen, and those of the
    /// job's own runs may have that could.
    pub(super) async fn cause_elsewhere(&self, job: JobUid, address: &str, since: Timestamp) -> Cause {
        if let Some(folder) = address.strip_prefix("file://") {
            return self.cause_at(Path::new(folder), since).await;
        }
        let now = clock::now();
        let writers = self.writers(since).await;
        writers.and_then(|writers| writers.cause_elsewhere(job, since, now)).unwrap_or_default()
    }

    async fn writers(&self, since: Timestamp) -> Option<Writers> {
        // Where the ledger cannot be read, nothing can be recorded either.
        Writers::since((&self.store, &self.jobs), &self.data_dir, since, SLACK).await.ok()
    }

    /// The cause of a move, the deepest of the one that follows from its place and those that a hook told. A hook's word is no
    /// proof, but it can only make a fire deeper.
    pub(super) async fn cause_of(&self, moved: &Move, here: Cause, told: &[Spooled]) -> Cause {
        let is_it = |told: &Move| told.reference == moved.reference && told.change.after() == moved.change.after();
        let tells = told.iter().filter(|spooled| spooled.pushed.moves.iter().any(is_it));
        let runs: BTreeSet<RunId> = tells.filter_map(|spooled| spooled.pushed.run).collect();
        let mut cause = here;
        for run in runs {
            cause = deepest(cause, self.store.cause_by(run).await.unwrap_or_default());
        }
        cause
    }
}

fn deepest(one: Cause, other: Cause) -> Cause {
    if other.depth > one.depth { other } else { one }
}
