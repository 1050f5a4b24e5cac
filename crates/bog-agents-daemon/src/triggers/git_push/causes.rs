//! Whose doing a push is: that of a run whose agent may write where it happened, or that told the hook its id.

use super::GitPushes;
use crate::git::Spooled;
use bog_domain::fire::Cause;
use bog_domain::git::Move;
use bog_domain::ids::RunId;
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Says whose doing a change at a path is: of an active run that may write there, else nobody's.
pub type CauseAt = Arc<dyn Fn(PathBuf) -> BoxFuture<'static, Cause> + Send + Sync>;

impl GitPushes {
    /// The cause of what changed at a path, as far as that follows from the path.
    pub(super) async fn cause_at(&self, at: &Path) -> Cause {
        match &self.cause_at {
            Some(cause_at) => cause_at(at.to_owned()).await,
            None => Cause::default(),
        }
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
