//! Why the daemon did not start, or ended.

use super::folder::FolderError;
use crate::config::ConfigError;
use crate::store::{OpenError, StoreError};

/// Why the daemon did not start or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// `config.toml` cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed during the start.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address is open to others and nobody said that this is meant.
    #[error(
        "`{0}` is no loopback address: anyone who reaches it and has the token can run jobs; add `--allow-remote` if that is meant"
    )]
    Remote(String),
    /// The address cannot be listened on.
    #[error("cannot listen on `{address}`: {error}; choose another with `--port`, 0 picks a free one")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        error: std::io::Error,
    },
    /// Something else of the system failed.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        error: std::io::Error,
    },
    /// A worker ended though nobody asked it to.
    #[error("`{0}` ended unasked; this is a defect: please report it with the log")]
    WorkerEnded(String),
}
