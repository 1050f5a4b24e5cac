//! Read-only connections. They never wait for the writer, and the writer never for them (WAL).

use super::error::StoreError;
use super::open::open_reader;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

/// Connections kept: enough that a slow list does not hold up the dispatcher.
const READERS: usize = 3;

/// A pool of read-only connections.
#[derive(Debug, Clone)]
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connections = (0..READERS).map(|_| open_reader(path)).collect::<Result<_, _>>()?;
        Ok(Self { free: Arc::new(Mutex::new(connections)), permits: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs a query on a connection of its own, off the async threads.
    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let free = Arc::clone(&self.free);
        let query = move || {
            let connection = free.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or(StoreError::Closed)?;
            // A defect in a query must not cost its connection.
            let result = catch_unwind(AssertUnwindSafe(|| query(&connection)));
            free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            // Held to here: the query goes on where its caller has gone away, and so does its claim to a connection.
            drop(permit);
            result
                .unwrap_or_else(|_| Err(StoreError::Refused("a defect ended the query; the log says where".to_owned())))
        };
        crate::tasks::blocking(query).await.map_err(|_| StoreError::Closed)?
    }
}
