//! What senders are told.

use super::super::problem::ApiError;
use super::super::wire::{HookFire, HookFires};
use super::routes::Group;
use crate::store::Accepted;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bog_domain::fire::{Disposition, Reason};
use bog_domain::hook::{Headers, is_ping};
use bog_domain::ids::JobId;
use bog_domain::spec::WebhookScheme;
use serde_json::Value;

/// One of the fires that a request was to cause.
pub(super) struct Expected {
    /// Of this job.
    pub(super) job: JobId,
    /// Whether the same request would be known again.
    pub(super) known_again: bool,
}

/// The answer to a request that is no event: Slack asks whether the path is ours, GitHub whether anybody is there.
pub(super) fn at_once(genuine: &[&Group], headers: &Headers, payload: &Value) -> Option<Response> {
    let signed_as = |scheme: WebhookScheme| genuine.iter().any(|group| group.scheme == scheme);
    if signed_as(WebhookScheme::Slack) && payload["type"] == "url_verification" {
        return Some(payload["challenge"].as_str().unwrap_or_default().to_owned().into_response());
    }
    (signed_as(WebhookScheme::Github) && is_ping(headers))
        .then(|| Json(HookFires { fires: Vec::new() }).into_response())
}

/// 202 for what is written down, 200 for what had been before or is nobody's event. A refusal is one for the whole request
/// where its sender may repeat it without anything happening twice.
pub(super) fn answered(expected: &[Expected], accepted: &[Accepted]) -> Result<Response, ApiError> {
    let (mut fires, mut new, mut refused) = (Vec::new(), false, None);
    let mut repeatable = true;
    for (expected, accepted) in expected.iter().zip(accepted) {
        let (receipt, is_new) = match accepted {
            Accepted::Recorded(receipt) => (receipt, true),
            Accepted::Duplicate(receipt) => (receipt, false),
            // Deleted in this very moment.
            Accepted::Gone | Accepted::KeyReused => continue,
        };
        if receipt.disposition == Disposition::Refused {
            let draining = receipt.reason.as_deref() == Some(Reason::Draining.as_str());
            refused = Some(if draining { ApiError::Draining } else { queue_full(&expected.job) });
        } else {
            new |= is_new;
            repeatable &= expected.known_again;
        }
        fires.push(HookFire {
            job_id: expected.job.to_string(),
            fire_id: receipt.fire_id.to_string(),
            run_id: receipt.run_id.map(|id| id.to_string()),
            disposition: receipt.disposition,
            reason: receipt.reason.clone(),
        });
    }
    match refused {
        Some(refused) if repeatable => Err(refused),
        Some(_) => Ok((StatusCode::ACCEPTED, Json(HookFires { fires })).into_response()),
        None => {
            let status = if new { StatusCode::ACCEPTED } else { StatusCode::OK };
            Ok((status, Json(HookFires { fires })).into_response())
        }
    }
}

fn queue_full(job: &JobId) -> ApiError {
    ApiError::QueueFull(format!("as many runs of job `{job}` wait as its `max_queued` allows: send it again later"))
}
