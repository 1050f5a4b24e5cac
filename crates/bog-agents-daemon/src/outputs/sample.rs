//! A message for the tests of targets.

use super::Message;
use bog_domain::fire::Cause;
use bog_domain::ids::{DeliveryId, FireId, RunId};
use bog_domain::run::Outcome;
use uuid::Uuid;

/// A message as a run makes one.
pub(super) fn message() -> Message {
    Message {
        delivery: DeliveryId::new(Uuid::from_u128(1)),
        job: "nightly".parse().unwrap(),
        job_name: "Nightly <report>".to_owned(),
        run: RunId::new(Uuid::from_u128(2)),
        outcome: Outcome::Failed,
        text: "Three *files* & one <b>folder</b>.\n".to_owned(),
        error: Some("exit code 3".to_owned()),
        started_at: Some("2026-11-25T12:00:00Z".parse().unwrap()),
        finished_at: Some("2026-11-25T12:00:05.25Z".parse().unwrap()),
        cause: Cause::of_run(FireId::new(Uuid::from_u128(3)), 0),
        sample: false,
    }
}
