//! What the daemon is asked about deliveries and outputs.

use super::runs::parameters;
use super::{Client, ClientError};
use crate::api::wire::{Delivery, OutputTest, OutputTests};
use bog_domain::delivery::DeliveryState;
use bog_domain::ids::{DeliveryId, JobId, RunId};
use jiff::Timestamp;
use std::time::Duration;

/// How long all of a job's outputs may take to answer.
const TEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Which deliveries are wanted. Everything that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// Of this job.
    pub job: Option<JobId>,
    /// Of this run.
    pub run: Option<RunId>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Made at or after.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
}

impl Client {
    /// The newest deliveries, newest first.
    ///
    /// # Errors
    /// When the daemon does not answer, or refuses.
    pub async fn deliveries(&self, wanted: &DeliveryQuery, limit: usize) -> Result<Vec<Delivery>, ClientError> {
        let query = parameters([
            ("job", wanted.job.as_ref().map(ToString::to_string)),
            ("run", wanted.run.map(|run| run.to_string())),
            ("state", wanted.state.map(|state| state.to_string())),
            ("since", wanted.since.map(|at| at.to_string())),
            ("until", wanted.until.map(|at| at.to_string())),
        ]);
        self.pages(&["deliveries"], &query, limit).await
    }

    /// A delivery.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn delivery(&self, id: DeliveryId) -> Result<Delivery, ClientError> {
        self.json(self.get(&["deliveries", &id.to_string()])).await
    }

    /// Makes a delivery once more.
    ///
    /// # Errors
    /// When the daemon does not answer, or has none of that id.
    pub async fn redeliver(&self, id: DeliveryId) -> Result<Delivery, ClientError> {
        self.json(self.post(&["deliveries", &id.to_string(), "redeliver"])).await
    }

    /// Sends a sample to every output of a job.
    ///
    /// # Errors
    /// When the daemon does not answer, or has no job of that id.
    pub async fn test_outputs(&self, job: &JobId) -> Result<Vec<OutputTest>, ClientError> {
        let request = self.post(&["jobs", job.as_str(), "outputs", "test"]);
        let tests: OutputTests = self.json_within(request, TEST_TIMEOUT).await?;
        Ok(tests.items)
    }
}
