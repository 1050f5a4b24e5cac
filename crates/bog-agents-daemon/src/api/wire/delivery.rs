//! Deliveries as they travel.

use bog_domain::delivery::{DeliveryState, Purpose};
use bog_domain::incident::Incident;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A delivery of a run, in the run's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunDelivery {
    /// Its id.
    pub id: String,
    /// The target.
    pub target: String,
    /// Where it stands.
    #[schema(value_type = String)]
    pub state: DeliveryState,
    /// Attempts made.
    pub attempts: u32,
    /// What went wrong.
    pub error: Option<String>,
    /// The target's receipt.
    pub receipt: Option<String>,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its id, by which targets recognise it when it is made again.
    pub id: String,
    /// The job.
    pub job_id: String,
    /// The run that it tells of.
    pub run_id: String,
    /// Why it is made: `output`, or `alert` and `recovery` where the daemon's `on_failure` outputs are told of a job.
    #[schema(value_type = String)]
    pub purpose: Purpose,
    /// The target.
    pub target: String,
    /// Where it stands: `pending`, `retrying`, `delivered`, `unknown` (sent, no answer) or `gave_up`.
    #[schema(value_type = String)]
    pub state: DeliveryState,
    /// Attempts made, since it was last asked for.
    pub attempts: u32,
    /// When it is tried next; null once it is settled, and while it waits for an earlier one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Timestamp>,
    /// Whether it waits for an earlier delivery of its job to the same target.
    pub waits: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// The target's receipt.
    pub receipt: Option<String>,
    /// Of an alert or a recovery, what it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub incident: Option<Incident>,
    /// When it was made: the run's end.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// What came of a sample that was sent to one output of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputTest {
    /// The target.
    pub target: String,
    /// What came of it.
    pub result: OutputTestResult,
    /// What went wrong.
    pub error: Option<String>,
    /// The target's receipt.
    pub receipt: Option<String>,
}

/// What came of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputTestResult {
    /// The target took it.
    Delivered,
    /// It failed in a way that may pass: a delivery would be tried again.
    Failed,
    /// It failed in a way that will not pass: a delivery would give up.
    Refused,
    /// It was sent and no answer came.
    Unknown,
}

/// What came of the samples, in the order of the job's outputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputTests {
    /// One for each output.
    pub items: Vec<OutputTest>,
}
