//! What can go wrong in the store, by consequence.

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// A failure of the store. Nothing of the operation that failed is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left; the same operation works again once there is some.
    #[error("no space left on the device that holds the data folder: free some, and it goes on by itself")]
    Full,
    /// The disk or the lock on the file failed; trying again may help.
    #[error("the database cannot be written: {0}")]
    Unavailable(String),
    /// The file is damaged.
    #[error(
        "the database is damaged: {0}; stop the daemon and start it again: it sets the file aside and begins a new one"
    )]
    Corrupt(String),
    /// The store is shutting down.
    #[error("the daemon is shutting down")]
    Closed,
    /// A defect: a statement that should be impossible to refuse was refused.
    #[error("the database refused an operation: {0}")]
    Refused(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        if error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE) {
            // The file that readers and writer share beside the database could not grow.
            return Self::Full;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory,
            ) => Self::Unavailable(text),
            _ => Self::Refused(text),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Refused(format!("a stored document cannot be read: {error}"))
    }
}
