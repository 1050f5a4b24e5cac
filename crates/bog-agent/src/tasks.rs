//! The one file of this crate that starts work on another thread. Everything else runs on the caller's.

/// Runs blocking work on a thread of its own, to its end even when the caller goes away.
///
/// # Errors
/// When the work panicked: in words that the model is told.
#[expect(clippy::disallowed_methods, reason = "this is the file of this crate that starts blocking work")]
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|_| "the tool broke down; try it in another way".to_owned())
}
