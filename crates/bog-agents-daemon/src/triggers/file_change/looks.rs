//! Having triggers look, and what comes of it.

use super::Key;
use super::found::{Finder, Linking};
use super::look::{Look, Looked, Outcome};
use super::trigger::FALLBACK;
use super::worker::{Done, RETRY, Worker};
use futures::future::FutureExt;
use std::sync::Arc;

/// The name under which it reports problems.
const OF_STORE: &str = "file changes";

impl Worker {
    /// Has every trigger look whose time has come.
    pub(super) fn look_where_due(&mut self) {
        let now = self.now();
        while let Some(key) = self.agenda.due(now) {
            self.look(&key);
        }
    }

    fn look(&mut self, key: &Key) {
        let (now, linking) = (self.now(), self.linking(key));
        let Some(trigger) = self.triggers.get_mut(key) else { return };
        let troubled: Vec<u32> = trigger.trees.iter().filter(|id| self.troubled.contains(*id)).copied().collect();
        let (dirt, ruled, quiet) = trigger.take(now);
        let interval = trigger.watch.poll.or((!troubled.is_empty()).then_some(FALLBACK));
        trigger.next_poll = interval.map(|interval| now + interval);
        self.agenda.plan(key, trigger);
        let finder = Finder {
            watch: Arc::clone(&trigger.watch),
            shut: Arc::clone(&self.shut),
            linking,
            present: trigger.present.clone(),
        };
        let look = Look {
            files: self.files.clone(),
            key: key.clone(),
            serial: trigger.serial,
            memory: trigger.memory,
            activated_at: trigger.activated_at,
            finder: Arc::new(finder),
            dirt,
            ruled,
            quiet,
            ends: self.ends,
        };
        self.aside.push(async move { Done::Looked(Box::new(look.run().await)) }.boxed());
        troubled.into_iter().for_each(|id| self.arm_all(id));
    }

    fn linking(&self, key: &Key) -> Vec<Linking> {
        let (Some(trigger), Some(watcher)) = (self.triggers.get(key), &self.watcher) else { return Vec::new() };
        let of_tree = |id: &u32| {
            let tree = self.trees.get(id)?;
            let (root, links) = (Arc::clone(&tree.root), tree.links.clone());
            Some(Linking { watcher: Arc::clone(watcher), tree: *id, root, links })
        };
        trigger.trees.iter().filter_map(of_tree).collect()
    }

    /// A trigger has looked.
    pub(super) fn looked(&mut self, looked: Looked) {
        let now = self.now();
        let Looked { key, serial, ends, dirt, outcome } = looked;
        let Some(trigger) = self.triggers.get_mut(&key).filter(|trigger| trigger.serial == serial) else { return };
        trigger.looking = false;
        match outcome {
            Ok(Outcome::Told { memory, held }) => {
                trigger.memory = memory;
                trigger.rest();
                trigger.take_back(held, now);
            }
            Ok(Outcome::Held) => {
                trigger.take_back(dirt, now);
                // A run that ended meanwhile tells nobody again.
                trigger.held = ends == self.ends;
            }
            Ok(Outcome::Restless(changes)) => trigger.wait_for(changes, now),
            Ok(Outcome::First { memory, since }) => {
                trigger.memory = memory;
                trigger.rest();
                trigger.take_back(since, now);
            }
            Ok(Outcome::Stale) => {
                // As if it had never been seen: what is remembered by now is read again.
                self.remove(&key);
                self.jobs = None;
                return;
            }
            Err(error) => {
                trigger.take_back(dirt, now);
                trigger.not_before = now + RETRY;
                self.agenda.plan(&key, trigger);
                let job = &trigger.job_id;
                tracing::error!(job.id = %job, trigger = %key.1, %error, "changes cannot be recorded yet; trying again");
                return self.files.problems.report(OF_STORE, format!("changes in files wait to be recorded: {error}"));
            }
        }
        self.agenda.plan(&key, trigger);
        self.files.problems.clear(OF_STORE);
        self.is_certain(&key);
    }
}
