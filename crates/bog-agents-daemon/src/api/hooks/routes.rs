//! From a path to the triggers that its requests fire: asked of the store once, and kept until any job changes.

use crate::jobs::Jobs;
use crate::store::RouteRow;
use bog_domain::ids::{JobId, JobUid, TriggerId};
use bog_domain::job::Hook;
use bog_domain::spec::WebhookScheme;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Paths that are kept.
const MOST: usize = 1024;

/// A path that triggers name.
#[derive(Debug)]
pub(super) struct Route {
    /// The path.
    pub(super) path: String,
    /// Its triggers, those together that are signed in the same way.
    pub(super) groups: Vec<Group>,
    /// Whether one of them takes requests without a signature.
    pub(super) is_open: bool,
}

/// Triggers for which a request is genuine together, or is not.
#[derive(Debug)]
pub(super) struct Group {
    /// How their requests are signed.
    pub(super) scheme: WebhookScheme,
    /// Names of the secrets, any of which may have signed.
    pub(super) secrets: Vec<String>,
    /// The triggers.
    pub(super) listeners: Vec<Listener>,
}

/// A trigger that requests fire.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) job: JobUid,
    pub(super) job_id: JobId,
    pub(super) trigger: TriggerId,
    pub(super) hook: Hook,
}

impl Route {
    /// The triggers of a path. A job that this version does not understand is left out: its state says so.
    pub(super) fn of(path: &str, rows: Vec<RouteRow>, jobs: &Jobs) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for row in rows {
            let Ok(job) = jobs.parse(&row.job_id, &row.spec) else { continue };
            let Some(hook) = job.trigger(&row.trigger).and_then(|trigger| trigger.hook.clone()) else { continue };
            let (scheme, secrets) = (hook.scheme(), hook.secrets().to_vec());
            let listener = Listener { job: row.job, job_id: row.job_id, trigger: row.trigger, hook };
            match groups.iter_mut().find(|group| group.scheme == scheme && group.secrets == secrets) {
                Some(group) => group.listeners.push(listener),
                None => groups.push(Group { scheme, secrets, listeners: vec![listener] }),
            }
        }
        let is_open = groups.iter().any(|group| group.scheme == WebhookScheme::None);
        Self { path: path.to_owned(), groups, is_open }
    }
}

/// The routes that are known, each as of a state of the jobs.
#[derive(Debug, Default)]
pub(super) struct Routes {
    kept: Mutex<HashMap<String, (u64, Arc<Route>)>>,
}

impl Routes {
    /// What is known of a path, if no job has changed since.
    pub(super) fn get(&self, path: &str, changes: u64) -> Option<Arc<Route>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(path).filter(|(as_of, _)| *as_of == changes).map(|(_, route)| Arc::clone(route))
    }

    /// Keeps a route that was asked for when the jobs had changed so often; `None` for one without a trigger.
    pub(super) fn keep(&self, changes: u64, route: Route) -> Option<Arc<Route>> {
        if route.groups.is_empty() {
            return None;
        }
        let route = Arc::new(route);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(route.path.clone(), (changes, Arc::clone(&route)));
        Some(route)
    }
}
