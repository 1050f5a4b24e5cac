//! Live control between workers: who is to look again, and whether new work is taken. Nothing here is a promise: what
//! must happen is in the store, and a wake that is lost with the process costs nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, Notify};

/// Wakes the workers: each registers its interest before it looks at the store, so no wake is slept through.
#[derive(Debug, Default)]
pub struct Wakes {
    /// The scheduler: slots may have changed.
    pub slots: Notify,
    /// The watch over git repositories: triggers may have changed.
    pub git: Notify,
    /// The watcher of files: jobs may have changed, or a run may have ended.
    pub files: Notify,
    /// The dispatcher: a run may be ready or asked to end.
    pub dispatcher: Notify,
    /// The outbox: a delivery may be due.
    pub outbox: Notify,
    /// The watch for orphans: what an earlier daemon left has been taken over.
    pub recovered: Notify,
    /// Held while due slots are written down: nothing is started before all of them are.
    pub recording: Mutex<()>,
    draining: AtomicBool,
}

impl Wakes {
    /// Takes no new work from now on; what runs goes on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.dispatcher.notify_one();
    }

    /// Whether no new work is taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
