//! What a run's templates see: the event, the job, the run and the one before it, as one JSON value.

use crate::clock;
use crate::store::{FireRow, RunRow, Seq, Store, StoreError};
use bog_domain::delivery::Purpose;
use bog_domain::fire::TriggerKind;
use bog_domain::ids::JobUid;
use bog_domain::incident::Incident;
use bog_domain::job::Job;
use bog_domain::template::LAST_RUN_FIELDS;
use serde_json::{Map, Value, json};

/// Events of a coalesced run that its templates see: the newest ones.
pub const MAX_EVENTS: u32 = 100;

/// Bytes that these events have together, as JSON; the newest is there whatever it has.
pub const MAX_EVENT_BYTES: usize = 1 << 20;

/// What stands in a sample for what a gate says.
const GATE: &str = "(what the gate says)";

/// What is known before the run has ended.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn of_run(store: &Store, run: &RunRow, job: &Job, attempt: u32) -> Result<Value, StoreError> {
    let fires = store.fires_of(run.id, MAX_EVENTS, MAX_EVENT_BYTES).await?;
    let last = store.last_run(run.job_uid, run.seq).await?;
    let events: Vec<Value> = fires.iter().map(event).collect();
    let mut event = events.last().cloned().unwrap_or_else(|| json!({}));
    event["events"] = events.into();
    event["event_count"] = run.fires.into();
    event["gate"] = match &job.gate {
        Some(_) => store.gate_of(run.id).await?.unwrap_or_default().into(),
        None => "".into(),
    };
    Ok(json!({
        "event": event,
        "job": of_job(job),
        "run": { "id": run.id, "attempt": attempt },
        "last_run": last_run(last.as_ref()),
        "now": clock::now(),
    }))
}

/// Adds how the run ended, for outputs.
pub fn add_end(context: &mut Value, run: &RunRow, output: &str) {
    context["run"]["outcome"] = run.outcome.map(|outcome| outcome.as_str()).into();
    context["run"]["output"] = output.into();
    context["run"]["error"] = run.error.clone().into();
}

/// Adds the incident that an alert is about: when it began, how many runs failed, and whether it is over.
pub fn add_incident(context: &mut Value, purpose: Purpose, incident: Option<Incident>) {
    if let Some(Incident { since, failures }) = incident {
        context["incident"] = json!({ "since": since, "failures": failures, "over": purpose == Purpose::Recovery });
    }
}

/// What a sample's templates see: what those of the job's newest finished run saw or, where there was none, what a fire by
/// hand would bring.
///
/// # Errors
/// When the ledger cannot be read.
pub async fn of_sample(store: &Store, uid: JobUid, job: &Job) -> Result<Value, StoreError> {
    if let Some(run) = store.last_run(uid, Seq::MAX).await? {
        return of_run(store, &run, job, run.attempt).await;
    }
    let (now, kind) = (clock::now(), TriggerKind::Manual);
    let event = json!({
        "kind": kind, "fired_at": now, "tier": kind.tier(), "payload": null, "events": [], "event_count": 1,
        "gate": if job.gate.is_some() { GATE } else { "" },
    });
    Ok(json!({ "event": event, "job": of_job(job), "run": {}, "last_run": last_run(None), "now": now }))
}

fn of_job(job: &Job) -> Value {
    json!({
        "id": job.id,
        "name": job.name,
        "working_dir": job.working_dir.as_deref().map(crate::env::expand_home),
    })
}

fn event(fire: &FireRow) -> Value {
    let mut event = match serde_json::from_str(&fire.context) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    event.insert("kind".to_owned(), fire.kind.as_str().into());
    event.insert("fired_at".to_owned(), fire.seen_at.to_string().into());
    event.insert("tier".to_owned(), json!(fire.kind.tier()));
    event.entry("payload").or_insert(Value::Null);
    Value::Object(event)
}

/// Every field is defined from the first run on, empty where there was none before.
fn last_run(run: Option<&RunRow>) -> Value {
    let Some(run) = run else {
        return LAST_RUN_FIELDS
            .iter()
            .map(|field| ((*field).to_owned(), Value::from("")))
            .collect::<Map<_, _>>()
            .into();
    };
    json!({
        "attempt": run.attempt,
        "error": run.error,
        "exit_code": run.exit_code,
        "finished_at": run.finished_at,
        "id": run.id,
        "outcome": run.outcome,
        "output": run.output_head,
        "queued_at": run.queued_at,
        "started_at": run.started_at,
    })
}
