//! The one place that starts tasks: named ones in a group that is waited for, work that must not stop half
//! way, and blocking work off the async threads.

use std::future::Future;
use tokio::task::{AbortHandle, JoinError, JoinSet};

/// A group of named tasks. Dropping it ends them all.
#[derive(Debug, Default)]
pub struct Group {
    tasks: JoinSet<&'static str>,
}

impl Group {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task.
    #[expect(clippy::disallowed_methods, reason = "this is the place that starts tasks")]
    pub fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.tasks.spawn(async move {
            task.await;
            name
        })
    }

    /// Waits for the next task to end and says which; `None` when there are none.
    pub async fn ended(&mut self) -> Option<Result<&'static str, JoinError>> {
        self.tasks.join_next().await
    }

    /// How many are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Runs blocking work on a thread of its own. It runs to its end even when the caller goes away.
///
/// # Errors
/// When the work panicked or the runtime is going down.
#[expect(clippy::disallowed_methods, reason = "this is the place that starts blocking work")]
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    tokio::task::spawn_blocking(work).await
}

/// Begins blocking work on a thread of its own, for nobody to wait for: it is done when it is done.
#[expect(clippy::disallowed_methods, reason = "this is the place that starts blocking work")]
pub fn aside(work: impl FnOnce() + Send + 'static) {
    drop(tokio::task::spawn_blocking(work));
}

/// Runs work on a task of its own. It goes on to its end even when the caller goes away; only the end of the runtime ends
/// it early.
///
/// # Errors
/// When the work panicked or the runtime is going down.
#[expect(clippy::disallowed_methods, reason = "this is the place that starts tasks")]
pub async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, JoinError> {
    tokio::spawn(work).await
}
