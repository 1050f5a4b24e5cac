//! What is gone from the jobs folder. One file that is gone is a job that was deleted; the whole folder is an accident,
//! and written again. Whoever removes the folder removes its files first, one by one, so a file counts as gone only when
//! the folder has been quiet since.

use super::file;
use super::service::{Jobs, JobsError};
use crate::clock;
use bog_domain::error::SpecError;
use bog_domain::ids::JobId;
use bog_domain::spec::{JobSpec, yaml};
use futures::future::try_join_all;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long the folder must be left alone before what is gone from it counts as deleted.
const QUIET: Duration = Duration::from_millis(500);

/// However busy the folder is, what is gone from it counts as deleted after so long.
const MAX_WAIT: Duration = Duration::from_secs(2);

impl Jobs {
    /// Deletes the jobs whose files were gone a moment ago, if they still are and the folder was only left without them;
    /// how many. Not to be called while changes are locked out: it waits.
    pub(super) async fn delete_lost(&self, gone: Vec<JobId>) -> Result<usize, JobsError> {
        if gone.is_empty() {
            return Ok(0);
        }
        wait_until_quiet(&self.inner.folder).await;
        let _changing = self.inner.changing.lock().await;
        self.restore_lost_folder().await?;
        let still_gone = |id: &JobId| matches!(file::path_of(&self.inner.folder, id.as_str()).try_exists(), Ok(false));
        let gone: Vec<JobId> = gone.into_iter().filter(still_gone).collect();
        let deleted = gone.len();
        // Together, so that they share commits.
        try_join_all(gone.into_iter().map(|id| self.delete_one(id))).await?;
        if deleted > 0 {
            self.changed();
            self.inner.wakes.dispatcher.notify_one();
        }
        Ok(deleted)
    }

    async fn delete_one(&self, id: JobId) -> Result<(), JobsError> {
        tracing::info!(job.id = %id, "its file is gone: the job is deleted");
        self.inner.store.delete_job(id.clone(), clock::now()).await?;
        // A copy that stayed behind would come back to life with the next invalid file of that name.
        let _ = std::fs::remove_file(file::path_of(&self.inner.good, id.as_str()));
        Ok(())
    }

    /// A folder that is gone altogether is an accident, not the wish to delete every job: it is written again.
    pub(super) async fn restore_lost_folder(&self) -> Result<(), JobsError> {
        if self.inner.folder.exists() {
            return Ok(());
        }
        let failed =
            |error: io::Error| JobsError::Io(format!("cannot make `{}`: {error}", self.inner.folder.display()));
        file::create_private_folder(&self.inner.folder).map_err(failed)?;
        for (id, _) in self.inner.store.files().await? {
            let Some(row) = self.inner.store.job(id.clone()).await? else { continue };
            let spec: JobSpec = serde_json::from_str(&row.spec).map_err(|error| SpecError::new("", error))?;
            let good = std::fs::read_to_string(file::path_of(&self.inner.good, id.as_str()));
            let text = good
                .ok()
                .filter(|text| file::hash(text.as_bytes()) == row.hash)
                .unwrap_or_else(|| yaml::to_yaml(&spec));
            file::write_durably(&file::path_of(&self.inner.folder, id.as_str()), &text).map_err(failed)?;
            tracing::warn!(job.id = %id, "the jobs folder was gone: the job's file was written again");
        }
        Ok(())
    }
}

/// Waits until nothing has come into the folder or gone from it for [`QUIET`].
async fn wait_until_quiet(folder: &Path) {
    let latest = tokio::time::Instant::now() + MAX_WAIT;
    let mut before = entries(folder);
    loop {
        tokio::time::sleep(QUIET).await;
        let now = entries(folder);
        if now.is_none() || now == before || tokio::time::Instant::now() >= latest {
            return;
        }
        before = now;
    }
}

/// The folder and when its entries last changed; `None` where it is gone.
fn entries(folder: &Path) -> Option<String> {
    std::fs::metadata(folder).ok().as_ref().map(file::stamp)
}
