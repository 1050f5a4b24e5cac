//! Taking over what jobs ask for: which triggers there are, what they are about, and what they remember.

use super::Key;
use super::trees::Tree;
use super::trigger::Watched;
use super::worker::{RETRY, Worker};
use crate::env;
use crate::store::{FileTrigger, Memory, StoreError};
use bog_domain::files::FileWatch;
use bog_domain::spec::TriggerSpec;
use futures::future::try_join_all;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::time::Instant;

/// The name under which it reports problems.
const OF_JOBS: &str = "file triggers";

/// A trigger as it is to be.
struct Wanted {
    row: FileTrigger,
    watch: Arc<FileWatch>,
    definition: String,
}

impl Worker {
    /// Takes over what has changed of the jobs; where that fails, it is tried again.
    pub(super) async fn take_over_jobs(&mut self) {
        let changes = self.files.jobs.changes();
        match self.try_take_over_jobs().await {
            Ok(()) => {
                self.files.problems.clear(OF_JOBS);
                (self.jobs, self.retry_jobs) = (Some(changes), None);
            }
            Err(error) => {
                tracing::error!(%error, "what files to watch cannot be read; trying again");
                self.files.problems.report(OF_JOBS, format!("what files to watch cannot be read: {error}"));
                self.retry_jobs = Some(Instant::now() + RETRY);
            }
        }
    }

    async fn try_take_over_jobs(&mut self) -> Result<(), StoreError> {
        let rows = self.files.store.file_triggers().await?;
        let all: HashSet<Key> = rows.iter().map(|row| (row.job, row.trigger.clone())).collect();
        let gone: Vec<Key> = self.triggers.keys().filter(|key| !all.contains(*key)).cloned().collect();
        gone.iter().for_each(|key| self.remove(key));
        let mut new = Vec::new();
        for row in rows {
            let key = (row.job, row.trigger.clone());
            let known = self.triggers.get(&key);
            if known.is_some_and(|known| (known.revision, known.activated_at) == (row.revision, row.activated_at)) {
                continue;
            }
            match self.parse(row) {
                Some(wanted) if self.goes_on(&key, &wanted) => {}
                Some(wanted) => new.push(wanted),
                None => self.remove(&key),
            }
        }
        // Together, so that those that are new share commits.
        let store = self.files.store.clone();
        let memories = new.iter().map(|wanted| {
            let Wanted { row, definition, .. } = wanted;
            store.file_memory(row.job, row.trigger.clone(), definition.clone())
        });
        let memories = try_join_all(memories).await?;
        for (wanted, memory) in new.into_iter().zip(memories) {
            if let Some(memory) = memory {
                self.begin(wanted, memory);
            }
        }
        self.show_watched();
        Ok(())
    }

    fn parse(&self, row: FileTrigger) -> Option<Wanted> {
        // A stored job that this version or configuration finds invalid is shown with the job.
        let job = self.files.jobs.parse(&row.job_id, &row.spec).ok()?;
        let TriggerSpec::FileChange(spec) = &job.trigger(&row.trigger)?.spec else { return None };
        // Without a slash at the end, and the like: a folder has one name.
        let base: Option<PathBuf> = job.working_dir.as_deref().map(|dir| env::expand_home(dir).components().collect());
        let watch = FileWatch::parse(spec, base.as_deref(), Some(&env::home_dir())).ok()?;
        let definition = watch.definition(spec);
        Some(Wanted { row, watch: Arc::new(watch), definition })
    }

    /// Whether a trigger is about the same as before: then it goes on, with what it was told.
    fn goes_on(&mut self, key: &Key, wanted: &Wanted) -> bool {
        let Some(known) = self.triggers.get_mut(key) else { return false };
        let same = known.definition == wanted.definition
            && known.activated_at == wanted.row.activated_at
            && known.watch.poll == wanted.watch.poll;
        if same {
            (known.revision, known.watch) = (wanted.row.revision, Arc::clone(&wanted.watch));
            for tree in &known.trees {
                if let Some(tree) = self.trees.get_mut(tree) {
                    tree.triggers.insert(key.clone(), Arc::clone(&wanted.watch));
                }
            }
            self.agenda.plan(key, known);
        }
        same
    }

    fn begin(&mut self, wanted: Wanted, memory: Memory) {
        let Wanted { row, watch, definition } = wanted;
        let key = (row.job, row.trigger.clone());
        self.remove(&key);
        let mut trigger = Watched::new(&row, Arc::clone(&watch), definition, memory, self.number());
        match watch.poll {
            Some(_) => trigger.next_poll = Some(self.now()),
            None => {
                for root in watch.roots() {
                    let id = self.tree(root);
                    trigger.trees.push(id);
                    trigger.unarmed.insert(id);
                    if let Some(tree) = self.trees.get_mut(&id) {
                        tree.triggers.insert(key.clone(), Arc::clone(&watch));
                    }
                }
            }
        }
        let trees = trigger.trees.clone();
        self.agenda.plan(&key, &mut trigger);
        self.triggers.insert(key, trigger);
        trees.into_iter().for_each(|tree| self.arm_all(tree));
    }

    /// Forgets a trigger, and the trees that nobody else asks for.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(mut trigger) = self.triggers.remove(key) else { return };
        self.agenda.drop(key, &mut trigger);
        self.is_certain(key);
        for id in trigger.trees {
            let Some(tree) = self.trees.get_mut(&id) else { continue };
            tree.triggers.remove(key);
            if tree.triggers.is_empty() {
                self.roots.remove(&tree.root);
                self.trees.remove(&id);
                self.troubled.remove(&id);
                self.watcher.iter().for_each(|watcher| watcher.forget(id, None));
            }
        }
        if self.trees.is_empty() {
            self.watcher = None;
        }
    }

    /// The tree of a folder.
    fn tree(&mut self, root: &Path) -> u32 {
        if let Some(id) = self.roots.get(root) {
            return *id;
        }
        let id = u32::try_from(self.number()).unwrap_or(u32::MAX);
        let tree = Tree::new(root);
        self.roots.insert(Arc::clone(&tree.root), id);
        self.trees.insert(id, tree);
        id
    }
}
