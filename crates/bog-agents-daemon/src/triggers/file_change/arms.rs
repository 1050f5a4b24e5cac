//! Setting watches: aside, tree by tree. Where that is not possible a tree is looked at again and again instead.

use super::Watcher;
use super::trees::{Armed, Arming};
use super::trigger::FALLBACK;
use super::worker::{Done, Worker};
use crate::tasks;
use futures::future::FutureExt;
use std::path::PathBuf;
use std::sync::Arc;

/// The name under which it reports problems.
const OF_WATCHES: &str = "file watches";

/// Trees that are named in one problem at most.
const NAMED: usize = 3;

impl Worker {
    /// Has the watches set of a whole tree.
    pub(super) fn arm_all(&mut self, id: u32) {
        if let Some(root) = self.trees.get(&id).map(|tree| tree.root.to_path_buf()) {
            self.arm(id, root);
        }
    }

    /// Has the watches set of a folder and all below it.
    pub(super) fn arm(&mut self, id: u32, from: PathBuf) {
        let watcher = self.watcher();
        let Some(tree) = self.trees.get_mut(&id) else { return };
        if tree.arming.contains(&from) {
            tree.again.insert(from);
            return;
        }
        tree.arming.insert(from.clone());
        let wanted = tree.triggers.values().cloned().collect();
        let arming = watcher.map(|watcher| Arming {
            watcher,
            tree: id,
            root: Arc::clone(&tree.root),
            wanted,
            shut: Arc::clone(&self.shut),
        });
        let work = async move {
            let armed = match arming {
                Ok(arming) => {
                    let folder = from.clone();
                    tasks::blocking(move || arming.run(&folder)).await.unwrap_or_default()
                }
                Err(error) => Armed { failed: Some((from.clone(), error)), ..Armed::default() },
            };
            Done::Armed { tree: id, from, armed }
        };
        self.aside.push(work.boxed());
    }

    fn watcher(&mut self) -> std::io::Result<Arc<Watcher>> {
        if let Some(watcher) = &self.watcher {
            return Ok(Arc::clone(watcher));
        }
        let watcher = Arc::new(Watcher::new()?);
        self.watcher = Some(Arc::clone(&watcher));
        Ok(watcher)
    }

    /// The watches of a folder and all below it are set.
    pub(super) fn armed(&mut self, id: u32, from: PathBuf, armed: Armed) {
        let now = self.now();
        let Some(tree) = self.trees.get_mut(&id) else {
            // Nobody asks for it any more.
            return self.watcher.iter().for_each(|watcher| watcher.forget(id, None));
        };
        tree.arming.remove(&from);
        if tree.again.remove(&from) {
            // Somebody else asks for it, or it was replaced meanwhile.
            return self.arm(id, from);
        }
        let trouble = trouble_of(&armed);
        let well = trouble.is_none();
        if *from == *tree.root || !well {
            tree.trouble = trouble;
        }
        let in_trouble = tree.trouble.is_some();
        let changed = if in_trouble { self.troubled.insert(id) } else { self.troubled.remove(&id) };
        for (key, watch) in &tree.triggers {
            let Some(trigger) = self.triggers.get_mut(key) else { continue };
            let polls = trigger.trees.iter().any(|id| self.troubled.contains(id));
            trigger.next_poll = polls.then(|| trigger.next_poll.unwrap_or(now + FALLBACK));
            let first = trigger.unarmed.remove(&id);
            // What happened before the watches stood nobody has told.
            if !trigger.is_new() && (first || well && watch.may_contain(&from, None)) {
                trigger.rake(&from, None, now);
            }
            self.agenda.plan(key, trigger);
        }
        if changed {
            self.show_watched();
        } else {
            self.count_watched();
        }
    }

    fn count_watched(&self) {
        self.files.metrics.watched_folders(self.watcher.as_ref().map_or(0, |watcher| watcher.count()));
    }

    /// Says what is watched, and what is not.
    pub(super) fn show_watched(&self) {
        self.count_watched();
        let told = self.troubled.iter().filter_map(|id| {
            let tree = self.trees.get(id)?;
            Some(format!("`{}`: {}", tree.root.display(), tree.trouble.as_ref()?))
        });
        let trouble: Vec<String> = told.take(NAMED).collect();
        if trouble.is_empty() {
            return self.files.problems.clear(OF_WATCHES);
        }
        let more = self.troubled.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let problem = format!(
            "folders cannot be watched, and are looked at every {} seconds instead: {}{more}",
            FALLBACK.as_secs(),
            trouble.join("; ")
        );
        if !self.files.problems.all().contains(&problem) {
            tracing::warn!("{problem}");
            self.files.metrics.file_watch_refused();
        }
        self.files.problems.report(OF_WATCHES, problem);
    }
}

fn trouble_of(armed: &Armed) -> Option<String> {
    if armed.over_limit > 0 {
        return Some(format!(
            "the system watches no more folders ({} are too many): raise `fs.inotify.max_user_watches` with sysctl, or narrow \
             the patterns",
            armed.over_limit
        ));
    }
    armed.failed.as_ref().map(|(folder, error)| format!("`{}`: {error}", folder.display()))
}
