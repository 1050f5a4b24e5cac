//! The signals that ask the daemon to stop.

use super::DaemonError;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask the daemon to stop.
pub(super) struct Stopping {
    terminate: Signal,
    interrupt: Signal,
}

impl Stopping {
    /// Takes the signals over from the system.
    pub(super) fn install() -> Result<Self, DaemonError> {
        let failed = |error| DaemonError::System { what: "signals cannot be taken", error };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Waits until one of them comes.
    pub(super) async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
