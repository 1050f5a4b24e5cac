//! Orphans: processes that outlived their attempt, found by the marks that every process of a run carries and by its
//! control group, and ended.
//!
//! A runner ends its own tree, and what it left behind when it died is ended when its attempt is judged. What is found
//! here got away from both: it was started from outside, its run is not in the ledger any more, or it was hidden then.

use super::Dispatcher;
use crate::runner::handle::{self as runner, Mark, Marked};
use crate::store::StoreError;
use crate::{cgroup, clock};
use bog_domain::ids::RunId;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(60);

/// How soon it looks again when it has found something: a runner whose run is over may be about to exit.
const AGAIN: Duration = Duration::from_secs(5);

/// The name under which it reports problems.
const REPORTER: &str = "orphans";

/// A process, by its number and the time of its start.
type Identity = (i32, u64);

/// What daemon a process belongs to, for its mark: the same for every daemon of this data folder, and for no other's. It
/// is made of where the folder is and which it is, so that neither a lost database nor a copied folder confuses it.
#[must_use]
pub fn instance_of(data_dir: &Path) -> String {
    let path = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    let mut digest = Sha256::new().chain_update(path.as_os_str().as_encoded_bytes());
    #[cfg(unix)]
    if let Ok(folder) = std::fs::metadata(&path) {
        use std::os::unix::fs::MetadataExt;
        digest.update(format!("\0{}:{}", folder.dev(), folder.ino()));
    }
    hex::encode(&digest.finalize()[..8])
}

/// Ends what outlived its attempt, at the start - once the dispatcher has taken over what it adopts - and every minute,
/// until told to stop.
pub async fn orphans(dispatcher: Dispatcher, stop: CancellationToken) {
    let mut watch = Watch::default();
    tokio::select! { () = stop.cancelled() => return, () = dispatcher.wakes.recovered.notified() => {} }
    loop {
        let found = match dispatcher.look_for_orphans(&mut watch).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "whether processes outlived their runs cannot be told; looking again in a minute");
                false
            }
        };
        let again = async {
            if found {
                tokio::time::sleep(AGAIN).await;
            } else {
                // By the wall clock: after an hour of suspend it is not a minute more.
                clock::sleep_until(Some(clock::now() + EVERY)).await;
            }
        };
        tokio::select! { () = stop.cancelled() => return, () = again => {} }
    }
}

/// What is remembered from look to look.
#[derive(Debug, Default)]
struct Watch {
    /// Processes of attempts that are over, as the last look found them.
    seen: HashSet<Identity>,
    /// Control groups of attempts that are over, as the last look found them.
    groups: HashSet<PathBuf>,
    /// Processes that were ended, and are not counted yet.
    uncounted: u64,
    /// Whether it was said that some cannot be ended.
    stuck: bool,
}

impl Dispatcher {
    /// Looks once; whether it found something new that is to be looked at again soon.
    async fn look_for_orphans(&self, watch: &mut Watch) -> Result<bool, StoreError> {
        let (instance, subtree) = (self.instance.clone(), self.cgroups.clone());
        let list = move || (runner::marked_by(&instance), subtree.map(|groups| groups.attempts()).unwrap_or_default());
        let (marked, groups) = crate::tasks::blocking(list).await.unwrap_or_default();
        // Asked after the processes were listed: a run that begins meanwhile has none among them.
        let nothing = marked.is_empty() && groups.is_empty();
        let under_way = if nothing { HashSet::new() } else { self.store.attempts_under_way().await? };
        let left: Vec<Marked> = marked.into_iter().filter(|marked| is_over(marked.mark, &under_way)).collect();
        let (over, seen) = confirmed(&left, &watch.seen);
        let groups: HashSet<PathBuf> = groups
            .into_iter()
            .filter(|(run, attempt, _)| !under_way.contains(&(*run, *attempt)))
            .map(|(_, _, at)| at)
            .collect();
        let is_new = !seen.is_subset(&watch.seen) || !groups.is_subset(&watch.groups);
        let stale: Vec<PathBuf> = groups.intersection(&watch.groups).cloned().collect();
        (watch.seen, watch.groups) = (seen, groups);
        // All at once, and without a mark too; what is left then carries one.
        end_groups(stale, watch).await;
        if over.is_empty() {
            self.cannot_end(watch, 0);
        } else {
            self.end_orphans(over, watch).await;
        }
        self.count(watch).await?;
        Ok(is_new)
    }

    async fn end_orphans(&self, over: HashSet<Mark>, watch: &mut Watch) {
        let instance = self.instance.clone();
        let runs: HashSet<String> = over.iter().map(|mark| mark.run.to_string()).collect();
        let end = move || runner::end_marked(&instance, &over);
        let (ended, not_allowed) = crate::tasks::blocking(end).await.unwrap_or_default();
        if ended > 0 {
            let runs = runs.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(processes = ended, runs, "processes that outlived their runs were ended");
        }
        watch.uncounted += ended as u64;
        self.cannot_end(watch, not_allowed);
    }

    fn cannot_end(&self, watch: &mut Watch, processes: usize) {
        if processes == 0 {
            watch.stuck = false;
            return self.problems.clear(REPORTER);
        }
        let problem = format!(
            "{processes} processes that outlived their runs cannot be ended, for they run as another user: look for \
             `BOG_INSTANCE={}` in their environment, and end them",
            self.instance
        );
        if !std::mem::replace(&mut watch.stuck, true) {
            tracing::error!("{problem}");
        }
        self.problems.report(REPORTER, problem);
    }

    async fn count(&self, watch: &mut Watch) -> Result<(), StoreError> {
        if watch.uncounted > 0 {
            self.store.count_orphans(watch.uncounted, clock::now()).await?;
            watch.uncounted = 0;
        }
        Ok(())
    }
}

async fn end_groups(stale: Vec<PathBuf>, watch: &mut Watch) {
    if stale.is_empty() {
        return;
    }
    let end = move || stale.into_iter().map(|group| (cgroup::end(&group), group)).collect::<Vec<_>>();
    for (ended, group) in crate::tasks::blocking(end).await.unwrap_or_default() {
        if ended > 0 {
            let group = group.display();
            tracing::warn!(processes = ended, %group, "processes that outlived their run were ended with their control group");
        }
        watch.uncounted += ended as u64;
    }
}

/// Whether what carries this mark has outlived its attempt. An attempt that is not under way will not be any more: the
/// next one of its run has another number.
fn is_over(mark: Mark, under_way: &HashSet<(RunId, u32)>) -> bool {
    match mark.attempt {
        Some(attempt) => !under_way.contains(&(mark.run, attempt)),
        None => !under_way.iter().any(|(run, _)| *run == mark.run),
    }
}

/// The marks of processes that were seen before too, and what is seen now.
fn confirmed(left: &[Marked], before: &HashSet<Identity>) -> (HashSet<Mark>, HashSet<Identity>) {
    let identity = |marked: &Marked| (marked.process.pid, marked.process.started);
    let over = left.iter().filter(|marked| before.contains(&identity(marked))).map(|marked| marked.mark).collect();
    (over, left.iter().map(identity).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::handle::Process;
    use uuid::Uuid;

    fn mark(run: u128, attempt: impl Into<Option<u32>>) -> Mark {
        Mark { run: RunId::new(Uuid::from_u128(run)), attempt: attempt.into() }
    }

    #[test]
    fn an_attempt_is_over_when_it_is_not_the_one_under_way() {
        let under_way = HashSet::from([(mark(1, 2).run, 2)]);
        for (mark, over) in [
            (mark(1, 2), false),
            (mark(1, 1), true),
            (mark(1, 3), true),
            (mark(1, None), false),
            (mark(2, 2), true),
            (mark(2, None), true),
        ] {
            assert_eq!(is_over(mark, &under_way), over, "{mark:?}");
        }
    }

    #[test]
    fn only_a_process_that_was_there_before_tells_against_its_attempt() {
        let left = |pid, started, run| {
            let process = Process { pid, parent: 1, started, zombie: false };
            Marked { process, mark: mark(run, 1) }
        };
        let (over, seen) = confirmed(&[left(10, 5, 1), left(11, 6, 2)], &HashSet::new());
        assert_eq!((over, seen.len()), (HashSet::new(), 2));
        // One is still there, one was there under that number, and one is new.
        let (over, seen) = confirmed(&[left(10, 5, 1), left(11, 7, 2), left(12, 8, 3)], &seen);
        assert_eq!((over, seen.len()), (HashSet::from([mark(1, 1)]), 3));
    }

    #[test]
    fn every_data_folder_is_an_instance_of_its_own() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_ne!(instance_of(one.path()), instance_of(two.path()));
        assert_eq!(instance_of(one.path()), instance_of(&one.path().join(".")));
        // A folder that took the place of another.
        let first = instance_of(one.path());
        std::fs::rename(one.path(), two.path().join("aside")).unwrap();
        std::fs::create_dir(one.path()).unwrap();
        assert_ne!(instance_of(one.path()), first);
    }
}
