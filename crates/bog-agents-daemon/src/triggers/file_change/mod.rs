//! Changes in files: watches the folders that `file_change` triggers are about, and fires them.
//!
//! What a watcher tells is only a hint where to look. What changed is decided by comparing the files with what the trigger
//! remembers of them, in the store; that memory and the fire that tells of a change are one commit. So nothing is lost or
//! told twice, whatever happens in between, and what changed while no daemon ran is found like anything else.
//!
//! One task does it all and waits for nothing: folders are gone through and files are looked at on threads of their own.
//! Without a trigger of this kind there is no watcher and nothing to do.

mod agenda;
mod arms;
mod found;
mod hearing;
#[cfg(target_os = "linux")]
mod inotify;
mod look;
mod looks;
mod news;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;
mod rules;
mod take_over;
mod trees;
mod trigger;
mod walk;
mod worker;

use crate::inbox::Inbox;
use crate::jobs::Jobs;
use crate::store::Store;
use crate::telemetry::{Metrics, Problems};
use crate::wakes::Wakes;
use bog_domain::ids::{JobUid, TriggerId};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use worker::Worker;

#[cfg(target_os = "linux")]
use inotify::Watcher;
#[cfg(not(target_os = "linux"))]
use portable::Watcher;

/// Whose memory it is.
type Key = (JobUid, TriggerId);

/// What the watcher of files works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Files {
    /// Where what is remembered is.
    pub store: Store,
    /// Where fires go.
    pub inbox: Inbox,
    /// Who wakes it.
    pub wakes: Arc<Wakes>,
    /// Who knows what a job's triggers are.
    pub jobs: Jobs,
    /// Who is told what was lost, and what is watched.
    pub metrics: Metrics,
    /// Who is told what keeps it from watching.
    pub problems: Problems,
    /// The data folder, which is never watched.
    pub data_dir: PathBuf,
}

/// Watches files until told to stop.
pub async fn run(files: Files, stop: CancellationToken) {
    let mut worker = Worker::new(files);
    tokio::select! { () = stop.cancelled() => {} () = worker.run() => {} }
}
