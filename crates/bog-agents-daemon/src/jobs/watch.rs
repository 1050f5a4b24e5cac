//! Watching the jobs folder, so that a hand edit runs within a second.

use super::Jobs;
use crate::telemetry::Problems;
use notify::{EventKind, RecursiveMode, Watcher};
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Quiet time after an edit: an editor's save is several events.
const DEBOUNCE: Duration = Duration::from_millis(100);

/// However busy the folder is, edits are taken at least this often.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// Everything is looked at this often, for file systems that tell nothing.
const RESCAN: Duration = Duration::from_secs(5 * 60);

/// Everything is looked at this often where there is no watch.
const UNWATCHED: Duration = Duration::from_secs(5);

/// How long it waits before it tries again when files cannot be read or taken over.
const RETRY: Duration = Duration::from_secs(1);

/// The names under which problems are reported.
const OF_WATCH: &str = "jobs watch";
const OF_FILES: &str = "job files";
const OF_TAKING: &str = "jobs";

/// Files that are no jobs, named in one problem at most.
const NAMED: usize = 5;

/// What the watcher says: these files, or that it does not know.
type News = Option<Vec<PathBuf>>;

/// Follows edits of job files until told to stop.
pub async fn watch(jobs: Jobs, problems: Problems, stop: CancellationToken) {
    let mut follower = Follower { jobs, problems, failing: None };
    while !stop.is_cancelled() {
        if !follower.jobs.inner.folder.exists() {
            // It comes back with its files, so that there is something to watch.
            follower.take(None).await;
        }
        let (news, mut inbox) = mpsc::unbounded_channel();
        let watcher = watch_folder(&follower.jobs, news);
        follower.watched(watcher.as_ref().err());
        // Whatever was changed before the watch stood.
        let mut taken = follower.take(None).await;
        loop {
            let pause = match (taken, &watcher) {
                (false, _) => RETRY,
                (true, Ok(_)) => RESCAN,
                (true, Err(_)) => UNWATCHED,
            };
            let news = tokio::select! {
                () = stop.cancelled() => return,
                news = inbox.recv(), if watcher.is_ok() => news.flatten(),
                () = tokio::time::sleep(pause) => None,
            };
            // Everything is to be looked at: under a new watch, the old one may be on what is no longer there.
            let Some(paths) = gather(news, &mut inbox).await else { break };
            taken = follower.take(Some(paths)).await;
        }
    }
}

fn watch_folder(jobs: &Jobs, news: mpsc::UnboundedSender<News>) -> notify::Result<notify::RecommendedWatcher> {
    let folder = jobs.inner.folder.clone();
    let of_folder = folder.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let said = match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
            // The folder itself went away or was replaced: the watch is on something that is no longer there.
            Ok(event) if event.need_rescan() || event.paths.contains(&of_folder) => None,
            Ok(event) => Some(event.paths),
            Err(_) => None,
        };
        // Nobody listens any more: the daemon is ending.
        let _ = news.send(said);
    })?;
    watcher.watch(&folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// Collects news until it is quiet; `None` when everything must be looked at.
async fn gather(first: News, inbox: &mut mpsc::UnboundedReceiver<News>) -> Option<HashSet<PathBuf>> {
    let mut paths: HashSet<PathBuf> = first?.into_iter().collect();
    let latest = tokio::time::Instant::now() + MAX_WAIT;
    loop {
        let quiet = tokio::time::Instant::now() + DEBOUNCE;
        match tokio::time::timeout_at(quiet.min(latest), inbox.recv()).await {
            Ok(Some(news)) => paths.extend(news?),
            Ok(None) => return None,
            Err(_) => return Some(paths),
        }
    }
}

/// Who takes edits over and says what is wrong.
struct Follower {
    jobs: Jobs,
    problems: Problems,
    /// What was said last; the same thing is not logged every second.
    failing: Option<String>,
}

impl Follower {
    /// Takes over these files, or all; whether that worked.
    async fn take(&mut self, paths: Option<HashSet<PathBuf>>) -> bool {
        let result = match paths {
            Some(paths) => self.jobs.reconcile_some(paths).await,
            None => self.jobs.reconcile().await,
        };
        self.show_unusable();
        match result {
            Ok(done) => {
                self.problems.clear(OF_TAKING);
                self.failing = None;
                if done.saved + done.deleted + done.invalid > 0 {
                    tracing::info!(
                        jobs.saved = done.saved,
                        jobs.deleted = done.deleted,
                        jobs.invalid = done.invalid,
                        "job files read"
                    );
                }
                true
            }
            Err(error) => {
                let error = error.to_string();
                if self.failing.as_ref() != Some(&error) {
                    tracing::error!(%error, "job files cannot be taken over; trying again every second");
                }
                self.problems.report(OF_TAKING, format!("job files cannot be taken over: {error}"));
                self.failing = Some(error);
                false
            }
        }
    }

    fn watched(&self, error: Option<&notify::Error>) {
        let Some(error) = error else { return self.problems.clear(OF_WATCH) };
        let problem =
            format!("the jobs folder cannot be watched: {error}; it is read every 5 seconds instead; see `doctor`");
        if !self.problems.all().contains(&problem) {
            tracing::warn!("{problem}");
        }
        self.problems.report(OF_WATCH, problem);
    }

    fn show_unusable(&self) {
        let mut files = self.jobs.unusable_files();
        if files.is_empty() {
            return self.problems.clear(OF_FILES);
        }
        let more = files.len().saturating_sub(NAMED);
        files.truncate(NAMED);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        self.problems.report(OF_FILES, format!("not a job: {}{more}", files.join("; ")));
    }
}
