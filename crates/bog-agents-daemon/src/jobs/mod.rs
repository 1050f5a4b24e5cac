//! Jobs as files: one YAML file each, written durably, watched, and reconciled with the store by content.
//!
//! The file is the source and the store holds what runs. An invalid edit never stops a job: its last good revision goes
//! on, and the error is shown. This module decides nothing about when a job is due.

mod change;
mod edit;
pub mod file;
mod lost;
mod reconcile;
mod service;
mod watch;

pub use reconcile::Reconciled;
pub use service::{Author, Jobs, JobsError, Version};
pub use watch::watch;
