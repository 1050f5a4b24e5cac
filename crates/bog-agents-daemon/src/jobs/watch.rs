//! Watching the jobs folder, so that a hand edit runs within a second.

use super::Jobs;
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

/// What the watcher says: these files, or that it does not know.
type News = Option<Vec<PathBuf>>;

/// Follows edits of job files until told to stop.
pub async fn watch(jobs: Jobs, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let (news, mut inbox) = mpsc::unbounded_channel();
        let watcher = watch_folder(&jobs, news);
        if let Err(error) = &watcher {
            tracing::warn!(%error, "the jobs folder cannot be watched: it is read every 5 minutes instead; see `doctor`");
        }
        // Whatever was changed before the watch stood.
        take(&jobs, None).await;
        loop {
            let news = tokio::select! {
                () = stop.cancelled() => return,
                news = inbox.recv(), if watcher.is_ok() => news.flatten(),
                () = tokio::time::sleep(RESCAN) => None,
            };
            let paths = gather(news, &mut inbox).await;
            let rearm = paths.is_none();
            take(&jobs, paths).await;
            if rearm {
                break;
            }
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

async fn take(jobs: &Jobs, paths: Option<HashSet<PathBuf>>) {
    let result = match paths {
        Some(paths) => jobs.reconcile_some(paths).await,
        None => jobs.reconcile().await,
    };
    match result {
        Ok(done) if done.saved + done.deleted + done.invalid > 0 => {
            tracing::info!(
                jobs.saved = done.saved,
                jobs.deleted = done.deleted,
                jobs.invalid = done.invalid,
                "job files read"
            );
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "job files cannot be taken over; trying again"),
    }
}
