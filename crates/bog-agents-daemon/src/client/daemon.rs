//! What the daemon is asked about itself.

use super::{Client, ClientError};
use crate::api::wire::{Health, NewToken};

impl Client {
    /// How the daemon is.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.json(self.get(&["health"])).await
    }

    /// Tells the daemon to take no more fires, and answers how it then is.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn drain(&self) -> Result<Health, ClientError> {
        self.json(self.post(&["drain"])).await
    }

    /// Replaces the token; the old one is no longer accepted.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn rotate_token(&self) -> Result<NewToken, ClientError> {
        self.json(self.post(&["admin", "rotate-token"])).await
    }
}
