//! Where jobs work, as far as every attempt must know: what one job works on is hidden from the agents of the others.

use crate::env;
use crate::jobs::Jobs;
use crate::sandbox::paths::Place;
use crate::store::{Store, StoreError};
use std::sync::{Arc, Mutex, PoisonError};

/// The working folders of all jobs, kept until one of the jobs changes.
#[derive(Debug, Clone, Default)]
pub struct Folders(Arc<Mutex<Option<Known>>>);

#[derive(Debug)]
struct Known {
    /// [`Jobs::changes`] before they were read.
    changes: u64,
    folders: Arc<[Place]>,
}

impl Folders {
    /// The working folders of all jobs as they are now.
    pub(super) async fn get(&self, store: &Store, jobs: &Jobs) -> Result<Arc<[Place]>, StoreError> {
        // Read before the jobs are: what changes meanwhile is read again next time.
        let changes = jobs.changes();
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && known.changes == changes
        {
            return Ok(Arc::clone(&known.folders));
        }
        let written = store.working_dirs().await?;
        let places = move || written.iter().map(|dir| Place::of(&env::expand_home(dir))).collect();
        let folders: Arc<[Place]> = crate::tasks::blocking(places).await.map_err(|_| StoreError::Closed)?;
        let known = Known { changes, folders: Arc::clone(&folders) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        Ok(folders)
    }
}
