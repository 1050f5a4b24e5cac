//! The store: what has been promised and what has happened, in one SQLite file.
//!
//! Operations are intents (`accept`, `claim`, `finish`, ...), one file each, and each is one durable step: it returns
//! once it is on disk. The store has no clock and makes no ids: both come with the call. It decides nothing itself;
//! the decisions are `bog-domain`'s.

mod accept;
mod answers;
mod cancel;
mod claim;
mod deliver;
mod deliveries;
mod epoch;
mod error;
mod files;
mod finish;
mod gate;
mod grants;
mod incidents;
mod integrity;
mod lanes;
mod masking;
mod open;
mod orphans;
mod outcomes;
#[cfg(test)]
mod plans;
mod prune;
mod pushes;
mod query;
mod reader;
mod resume;
mod routes;
mod rows;
mod save_job;
mod slots;
mod under_way;
mod usage;
mod whole;
mod writer;

pub use accept::{Accepted, Arrival, DELIVERY_IDS_KEPT, Receipt};
pub use answers::Answer;
pub use cancel::Cancelled;
pub use claim::{Claim, Ready, Reserve};
pub use deliver::{DueDelivery, Wanted};
pub use deliveries::{DeliveryFilter, FailingTarget};
pub use epoch::Epoch;
pub use error::StoreError;
pub use files::{Difference, FileTrigger, Found, Memory, Observation, Remember, Seen};
pub use finish::{AttemptEnd, Ended, NewDelivery};
pub use incidents::Incident;
pub use integrity::{Violation, check, run_states};
pub use open::OpenError;
pub use orphans::{Orphans, orphans};
pub use pushes::{GitMemory, GitTrigger, News, Pushes};
pub use query::{Counts, FireFilter, Page, RunFilter};
pub use resume::{Amount, More, Resumed};
pub use routes::RouteRow;
pub use rows::{DeliveryRow, FireRow, JobRow, RevisionRow, RunRow, Seq};
pub use save_job::{FileState, NewTrigger, SaveJob, Saved};
pub use slots::{Advance, DueTrigger, TriggerRow};
pub use under_way::{FileDelivery, UnderWay};
pub use usage::{Allowed, DailyLimits, Left, UsageRow};
pub use writer::OnCommit;

use crate::secrets::Secrets;
use reader::Readers;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use writer::Writer;

/// Bytes of a run's output kept in its row, for lists; the whole stands beside it.
pub const OUTPUT_HEAD: usize = 4096;

/// The way to the database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    // Dropped first: the writer closes the file last, which folds the log into it.
    readers: Readers,
    writer: Writer,
    secrets: Secrets,
}

/// What opening gives.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Where a damaged predecessor was put, and what was wrong with it.
    pub quarantined: Option<(PathBuf, String)>,
    /// Ends once every clone of the store is gone and all it was given is on disk.
    pub writer: std::thread::JoinHandle<()>,
}

impl Store {
    /// Opens the database at `path`, making it where there is none.
    ///
    /// # Errors
    /// A newer schema, or a file that cannot be opened or made. A damaged file is no error: it is set aside.
    pub fn open(path: &Path, on_commit: OnCommit) -> Result<Opened, OpenError> {
        let failed = |error: StoreError| OpenError::Failed { path: path.to_owned(), error };
        let opened = open::open(path)?;
        let readers = Readers::open(path).map_err(failed)?;
        let (writer, thread) = Writer::start(opened.connection, on_commit)
            .map_err(|error| failed(StoreError::Unavailable(error.to_string())))?;
        let store = Self { readers, writer, secrets: Secrets::new() };
        Ok(Opened { store, quarantined: opened.quarantined, writer: thread })
    }

    /// Writes down no value of these secrets.
    #[must_use]
    pub fn masking(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    async fn write<T, F>(&self, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.write(operation).await
    }

    async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.read(query).await
    }
}
