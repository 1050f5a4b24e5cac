//! Rows of the store as the shapes that travel.

use super::problem::ApiError;
use super::wire;
use crate::jobs::Jobs;
use crate::outbox::Sampled;
use crate::store::{DeliveryRow, FireRow, JobRow, Receipt, RevisionRow, RunRow};
use bog_domain::containment::Containment;
use bog_domain::delivery::{Attempted, DeliveryState};
use bog_domain::error::SpecError;
use bog_domain::spec::JobSpec;

/// Outputs that gave up which a run names one by one.
const MAX_DISPATCH_ERRORS: usize = 20;

/// Deliveries in a run's record; `/deliveries?run=` lists all.
const MAX_DELIVERIES: usize = 100;

/// A job, with what may still have to be provided for it.
pub(super) fn job(row: JobRow, jobs: &Jobs) -> Result<wire::Job, ApiError> {
    let warnings = match jobs.parse(&row.id, &row.spec) {
        Ok(job) => job.warnings(),
        Err(error) => vec![format!("this version does not understand it: {error}")],
    };
    let mut spec: JobSpec = serde_json::from_str(&row.spec)?;
    spec.id = Some(row.id.to_string());
    spec.enabled = Some(row.enabled);
    let state = wire::JobState {
        last_run: row.last_run.map(|id| id.to_string()),
        next_fire_at: row.next_fire_at.filter(|_| row.enabled),
        run_count: row.run_count,
        last_outcome: row.last_outcome,
        invalid_edit: row.invalid.as_deref().map(invalid_edit),
    };
    Ok(wire::Job { spec, revision: row.revision, state, warnings })
}

/// An edit that is not valid, in words.
pub(super) fn invalid_edit(stored: &str) -> String {
    serde_json::from_str::<SpecError>(stored).map_or_else(|_| stored.to_owned(), |error| error.to_string())
}

/// Longest event of a fire in a list, as JSON text in bytes, and the longest of its fields where it is longer.
const SHORT_EVENT: usize = 4096;
const SHORT_FIELD: usize = 1024;

/// A fire as lists hold it: without the long fields of a long event, whose names stand under `cut`.
pub(super) fn fire(row: FireRow) -> Result<wire::Fire, ApiError> {
    let long = row.context.len() > SHORT_EVENT;
    let mut fire = whole_fire(row)?;
    if let (true, serde_json::Value::Object(fields)) = (long, &mut fire.context) {
        let mut cut = Vec::new();
        for (name, value) in fields.iter_mut().filter(|(_, value)| value.to_string().len() > SHORT_FIELD) {
            *value = serde_json::Value::Null;
            cut.push(name.clone());
        }
        fields.insert("cut".to_owned(), cut.into());
    }
    Ok(fire)
}

/// A fire with all of its event.
pub(super) fn whole_fire(row: FireRow) -> Result<wire::Fire, ApiError> {
    Ok(wire::Fire {
        id: row.id.to_string(),
        job_id: row.job_id.into(),
        trigger: row.trigger.as_str().to_owned(),
        kind: row.kind,
        due_at: row.due_at,
        until_at: row.until_at,
        count: row.count,
        seen_at: row.seen_at,
        tier: row.kind.tier(),
        disposition: row.disposition,
        reason: row.reason,
        run_id: row.run_id.map(|id| id.to_string()),
        dedupe_key: row.dedupe_key,
        cause: row.cause,
        context: serde_json::from_str(&row.context)?,
    })
}

/// A run with the head of its output, as lists hold it. `gave_up` are its outputs that did.
pub(super) fn run(row: RunRow, gave_up: Vec<(String, String)>) -> wire::Run {
    wire::Run {
        id: row.id.to_string(),
        job_id: row.job_id.into(),
        job_name: row.job_name,
        revision: row.revision,
        fire_id: row.fire_id.to_string(),
        trigger: row.kind,
        fires: row.fires,
        attempt: row.attempt,
        max_attempts: row.max_attempts,
        state: row.state,
        outcome: row.outcome,
        queued_at: row.queued_at,
        started_at: row.started_at,
        finished_at: row.finished_at,
        exit_code: row.exit_code,
        output: row.output_head,
        output_truncated: row.output_truncated,
        error: row.error,
        usage: row.usage,
        limit: row.limit,
        containment: None,
        dispatch_errors: dispatch_errors(gave_up),
        deliveries: Vec::new(),
    }
}

/// A run with all of its output, what held it, and its deliveries.
pub(super) fn whole_run(
    row: RunRow,
    output: Option<String>,
    containment: Option<Containment>,
    deliveries: Vec<DeliveryRow>,
) -> wire::Run {
    let gave_up = deliveries.iter().filter(|delivery| {
        matches!(delivery.state, DeliveryState::GaveUp | DeliveryState::Unknown) && delivery.next_at.is_none()
    });
    let gave_up = gave_up.map(|delivery| (delivery.target.clone(), delivery.error.clone().unwrap_or_default()));
    let mut run = run(row, gave_up.collect());
    run.output = output.unwrap_or(run.output);
    run.containment = containment;
    run.deliveries = deliveries.into_iter().take(MAX_DELIVERIES).map(run_delivery).collect();
    run
}

fn dispatch_errors(gave_up: Vec<(String, String)>) -> Vec<wire::DispatchError> {
    let over = gave_up.len().saturating_sub(MAX_DISPATCH_ERRORS);
    let named = gave_up.into_iter().take(MAX_DISPATCH_ERRORS);
    let mut errors: Vec<_> = named.map(|(target, error)| wire::DispatchError { target, error }).collect();
    if over > 0 {
        errors.push(wire::DispatchError { target: "(overflow)".to_owned(), error: format!("{over} more gave up") });
    }
    errors
}

/// A delivery.
pub(super) fn delivery(row: DeliveryRow) -> wire::Delivery {
    wire::Delivery {
        id: row.id.to_string(),
        job_id: row.job_id.into(),
        run_id: row.run_id.to_string(),
        purpose: row.purpose,
        target: row.target,
        state: row.state,
        attempts: row.attempts,
        next_attempt_at: row.next_at.filter(|_| !row.waits).map(|at| at.max(row.begun_at)),
        waits: row.waits && row.next_at.is_some(),
        error: row.error,
        receipt: row.receipt,
        incident: row.incident,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

/// What came of a sample.
pub(super) fn sampled(sampled: Sampled) -> wire::OutputTest {
    use wire::OutputTestResult as Result;
    let (result, error, receipt) = match sampled.attempted {
        Attempted::Delivered { receipt } => (Result::Delivered, None, receipt),
        Attempted::Passing { error, .. } => (Result::Failed, Some(error), None),
        Attempted::Permanent { error } => (Result::Refused, Some(error), None),
        Attempted::Unknown { error } => (Result::Unknown, Some(error), None),
    };
    wire::OutputTest { target: sampled.target, result, error, receipt }
}

fn run_delivery(row: DeliveryRow) -> wire::RunDelivery {
    wire::RunDelivery {
        id: row.id.to_string(),
        target: row.target,
        state: row.state,
        attempts: row.attempts,
        error: row.error,
        receipt: row.receipt,
    }
}

/// What a fire by hand came to.
pub(super) fn fired(receipt: &Receipt) -> wire::Fired {
    wire::Fired {
        run_id: receipt.run_id.map(|id| id.to_string()),
        fire_id: receipt.fire_id.to_string(),
        disposition: receipt.disposition,
        reason: receipt.reason.clone(),
    }
}

/// A revision.
pub(super) fn revision(row: RevisionRow) -> Result<wire::Revision, ApiError> {
    let RevisionRow { revision, author, created_at, spec } = row;
    Ok(wire::Revision { revision, author, created_at, spec: serde_json::from_str(&spec)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_twenty_that_gave_up_are_counted() {
        let gave_up = |count: usize| (0..count).map(|n| (format!("file:{n}"), "full".to_owned())).collect();
        assert_eq!(dispatch_errors(gave_up(20)).len(), 20);
        let errors = dispatch_errors(gave_up(25));
        assert_eq!(errors.len(), 21);
        assert_eq!((errors[20].target.as_str(), errors[20].error.as_str()), ("(overflow)", "5 more gave up"));
    }
}
