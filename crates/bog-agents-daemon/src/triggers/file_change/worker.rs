//! The one task: takes over what jobs ask for, hears what happens, and has it looked at.

use super::agenda::Agenda;
use super::hearing::Hearing;
use super::look::{Looked, shut};
use super::trees::{Armed, Tree};
use super::trigger::{Moment, Watched};
use super::{Files, Key, Watcher};
use crate::clock;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long it waits before it tries again when something fails.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The name under which it reports that not everything was told.
const OF_NEWS: &str = "file news";

/// Something that was done aside.
pub(super) enum Done {
    /// The watches of a folder and all below it are set.
    Armed { tree: u32, from: PathBuf, armed: Armed },
    /// A trigger's files were looked at.
    Looked(Box<Looked>),
}

/// The watcher of files.
pub(super) struct Worker {
    pub(super) files: Files,
    pub(super) shut: Arc<Path>,
    begun: Instant,
    pub(super) watcher: Option<Arc<Watcher>>,
    pub(super) trees: HashMap<u32, Tree>,
    /// The trees by their folders.
    pub(super) roots: HashMap<Arc<Path>, u32>,
    /// Those that are not watched as they should be.
    pub(super) troubled: BTreeSet<u32>,
    pub(super) triggers: HashMap<Key, Watched>,
    pub(super) agenda: Agenda,
    pub(super) aside: FuturesUnordered<BoxFuture<'static, Done>>,
    /// The state of the jobs that was taken over; `None`: it is to be.
    pub(super) jobs: Option<u64>,
    pub(super) retry_jobs: Option<Instant>,
    /// How often a run may have ended.
    pub(super) ends: u64,
    /// Who has not looked yet since not everything was told.
    pub(super) uncertain: HashSet<Key>,
    /// The last number that was given to a tree, or to a state of a trigger.
    last: u64,
    /// Whether the watcher has more to tell.
    more: bool,
}

impl Worker {
    pub(super) fn new(files: Files) -> Self {
        let shut = shut(&files.data_dir);
        let (watcher, begun, jobs, retry_jobs) = (None, Instant::now(), None, None);
        let (trees, roots, troubled, triggers, agenda, aside, uncertain) = Default::default();
        let (ends, last, more) = (0, 0, false);
        Self {
            files,
            shut,
            begun,
            watcher,
            trees,
            roots,
            troubled,
            triggers,
            agenda,
            aside,
            jobs,
            retry_jobs,
            ends,
            uncertain,
            last,
            more,
        }
    }

    /// Works for ever.
    pub(super) async fn run(&mut self) {
        loop {
            if self.jobs != Some(self.files.jobs.changes()) && self.retry_jobs.is_none_or(|at| at <= Instant::now()) {
                self.take_over_jobs().await;
            }
            self.look_where_due();
            let next = self.agenda.next().map(|at| self.begun + at).into_iter().chain(self.retry_jobs).min();
            let (wakes, watcher, more) = (Arc::clone(&self.files.wakes), self.watcher.clone(), self.more);
            let news = async {
                match watcher {
                    Some(_) if more => {}
                    Some(watcher) => watcher.wait().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wakes.files.notified() => self.release(),
                () = news => self.hear(),
                Some(done) = self.aside.next(), if !self.aside.is_empty() => self.take(done),
                () = sleep_until(next) => {}
            }
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.begun.elapsed()
    }

    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A run may have ended: whoever waits for that looks again.
    fn release(&mut self) {
        self.ends += 1;
        let now = self.now();
        for (key, trigger) in self.triggers.iter_mut().filter(|(_, trigger)| trigger.held) {
            trigger.release(now);
            self.agenda.plan(key, trigger);
        }
    }

    fn hear(&mut self) {
        let Some(watcher) = self.watcher.clone() else { return };
        let (now, at) = (self.now(), clock::now());
        let mut hearing = Hearing::new(&self.trees);
        self.more = watcher.tell(|news| hearing.hear(news));
        hearing.bring(&mut self.triggers, &mut self.agenda, (at, now));
        let Hearing { went, came, lost, .. } = hearing;
        for (tree, folder) in went {
            watcher.forget(tree, Some(&folder));
        }
        for (tree, folder) in came {
            self.arm(tree, folder);
        }
        if lost {
            self.lost(now, at);
        }
    }

    /// More happened than the system could tell: everything is watched anew and looked at.
    fn lost(&mut self, now: Moment, at: jiff::Timestamp) {
        let problem = "more files changed at once than the system could tell of: all watched folders are looked at";
        tracing::warn!("{problem}");
        self.files.metrics.file_news_lost();
        self.files.problems.report(OF_NEWS, problem);
        let roots: Vec<_> = self.trees.iter().map(|(id, tree)| (*id, tree.root.to_path_buf())).collect();
        for (key, trigger) in self.triggers.iter_mut().filter(|(_, trigger)| !trigger.trees.is_empty()) {
            trigger.rake_all(Some(at), now);
            self.agenda.plan(key, trigger);
            self.uncertain.insert(key.clone());
        }
        roots.into_iter().for_each(|(id, root)| self.arm(id, root));
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Armed { tree, from, armed } => self.armed(tree, from, armed),
            Done::Looked(looked) => self.looked(*looked),
        }
    }

    /// Takes a trigger off the list of those that may not know all; the last one ends the trouble.
    pub(super) fn is_certain(&mut self, key: &Key) {
        if self.uncertain.remove(key) && self.uncertain.is_empty() {
            self.files.problems.clear(OF_NEWS);
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
