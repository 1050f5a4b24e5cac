//! Forgetting: runs, their folders and their fires, and the conversations of deleted jobs, after the time that `keep` in config.toml says.

use crate::clock;
use crate::store::{DELIVERY_IDS_KEPT, Store};
use std::path::PathBuf;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Forgets what is older than `keep`, hourly, until told to stop; nothing where `keep` is not set.
pub(super) async fn run(store: Store, data_dir: PathBuf, keep: Option<Duration>, stop: CancellationToken) {
    loop {
        if let Some(keep) = keep {
            forget(&store, &data_dir, keep).await;
            forget_conversations(&store, &data_dir, keep).await;
        }
        tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(EVERY) => {} }
    }
}

async fn forget(store: &Store, data_dir: &std::path::Path, keep: Duration) {
    let now = clock::now();
    let (Ok(before), remembered) = (now.checked_sub(keep), now - DELIVERY_IDS_KEPT) else { return };
    loop {
        let pruned = match store.prune(before, remembered).await {
            Ok(pruned) if pruned.is_empty() => return,
            Ok(pruned) => pruned,
            Err(error) => return tracing::warn!(%error, "old runs cannot be forgotten; trying again in an hour"),
        };
        tracing::info!(runs = pruned.len(), "forgotten: older than `keep` in config.toml");
        for run in pruned {
            // What stays behind costs space and nothing else.
            let _ = std::fs::remove_dir_all(data_dir.join("runs").join(run.to_string()));
        }
    }
}

/// Removes what agents kept from run to run of jobs that are gone.
async fn forget_conversations(store: &Store, data_dir: &std::path::Path, keep: Duration) {
    let Ok(before) = clock::now().checked_sub(keep) else { return };
    let gone = match store.gone_jobs(before).await {
        Ok(gone) => gone,
        Err(error) => return tracing::warn!(%error, "deleted jobs cannot be listed; trying again in an hour"),
    };
    for job in gone {
        // Most jobs have none.
        let _ = std::fs::remove_dir_all(data_dir.join("jobs-state").join(job.to_string()));
    }
}
