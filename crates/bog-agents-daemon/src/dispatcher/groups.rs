//! Control groups of attempts that are over: nobody is left to remove them.

use super::Dispatcher;
use crate::runner::handle as runner;
use crate::store::Ready;
use crate::{cgroup, clock};
use bog_domain::ids::RunId;
use std::collections::HashSet;
use std::path::PathBuf;

impl Dispatcher {
    /// Ends and removes the groups of attempts whose runner is gone. Not of those in `known`, which are judged one by one
    /// and lose their group then - unless their folder is missing, and with it what they would be judged by.
    pub(super) async fn end_stale_groups(&self, known: &[Ready]) {
        let Some(groups) = self.cgroups.clone() else { return };
        let known: HashSet<(RunId, u32)> = known.iter().map(|ready| (ready.run.id, ready.run.attempt)).collect();
        let dispatcher = self.clone();
        let stale = move |(run, attempt, group): (RunId, u32, PathBuf)| {
            let dir = dispatcher.attempt_dir(run, attempt);
            let is_judged = known.contains(&(run, attempt)) && dir.is_dir();
            (!is_judged && !runner::is_live(&dir)).then(|| (run, attempt, cgroup::end(&group)))
        };
        // Processes that are ended need a moment to go: nothing for the threads of the runtime.
        let ended = crate::tasks::blocking(move || groups.attempts().into_iter().filter_map(stale).collect::<Vec<_>>());
        let mut orphans = 0;
        for (run, attempt, processes) in ended.await.unwrap_or_default() {
            tracing::warn!(run.id = %run, attempt, processes, "the control group of an attempt that is over was removed");
            orphans += processes as u64;
        }
        if let Err(error) = self.store.count_orphans(orphans, clock::now()).await {
            tracing::warn!(orphans, %error, "processes that outlived their runs cannot be counted");
        }
    }
}
