//! `/jobs/{id}/next`: the slots to come.

use super::params::Given;
use super::problem::ApiError;
use super::wire::{NextEvent, NextSlot, NextSlots, Problem};
use super::{App, jobs};
use crate::clock;
use crate::store::TriggerRow;
use axum::Json;
use axum::extract::{Path, State};
use bog_domain::job::{Job, Trigger};
use bog_domain::schedule::Schedule;
use jiff::Timestamp;
use std::sync::Arc;

/// Slots where `count` does not say.
const DEFAULT_COUNT: u32 = 5;

/// Slots at most.
const MAX_COUNT: u32 = 100;

/// The next slots of a job's cron and interval triggers, in order, and what else fires it.
#[utoipa::path(get, path = "/jobs/{id}/next", tag = "jobs", operation_id = "next_slots",
    params(("id" = String, Path, description = "The job"),
           ("count" = Option<u32>, Query, description = "How many, 1 to 100; 5 where left out")),
    responses((status = 200, body = NextSlots), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn next(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    given: Given,
) -> Result<Json<NextSlots>, ApiError> {
    let count = given.known(&["count"])?.number("count", DEFAULT_COUNT, MAX_COUNT)?;
    let row = jobs::find(&app, &id).await?;
    let job = app.jobs.parse(&row.id, &row.spec)?;
    let now = clock::now();
    let schedules = schedules(&job, &app.store.triggers(row.uid).await?, now);
    if let Some(note) = none_because(&job, row.enabled, row.run_count) {
        return Ok(Json(NextSlots { items: Vec::new(), next: None, note: Some(note), events: Vec::new() }));
    }
    let items = upcoming(&schedules, now, count as usize);
    let events = NextEvent::of(&job);
    let nothing = items.is_empty() && events.is_empty();
    let note = nothing.then(|| "none of its triggers has a slot any more".to_owned());
    Ok(Json(NextSlots { items, next: None, note, events }))
}

fn none_because(job: &Job, enabled: bool, run_count: u64) -> Option<String> {
    let id = &job.id;
    if !enabled {
        Some(format!("the job is disabled, so none of its triggers fires: `bog-agents-daemon job enable {id}`"))
    } else if job.max_runs > 0 && run_count >= job.max_runs {
        Some(format!("the job has had all its {} runs: raise `max_runs`, or remove it", job.max_runs))
    } else if job.triggers.is_empty() {
        Some(format!("the job has no triggers: `bog-agents-daemon job run {id}` fires it"))
    } else {
        None
    }
}

/// The schedules of a job's triggers, each from when its trigger was activated.
pub(super) fn schedules<'a>(job: &'a Job, known: &[TriggerRow], now: Timestamp) -> Vec<(&'a Trigger, Schedule)> {
    let anchor = |trigger: &Trigger| known.iter().find(|row| row.id == trigger.id).map_or(now, |row| row.activated_at);
    job.triggers.iter().filter_map(|trigger| Some((trigger, trigger.schedule(anchor(trigger))?))).collect()
}

/// The first `count` slots after `now`, of all triggers together.
pub(super) fn upcoming(schedules: &[(&Trigger, Schedule)], now: Timestamp, count: usize) -> Vec<NextSlot> {
    let mut heads: Vec<Option<Timestamp>> = schedules.iter().map(|(_, schedule)| schedule.next_after(now)).collect();
    let mut slots = Vec::with_capacity(count);
    while slots.len() < count {
        let soonest = heads.iter().enumerate().filter_map(|(index, head)| head.map(|at| (at, index))).min();
        let Some((at, index)) = soonest else { break };
        let (trigger, schedule) = &schedules[index];
        slots.push(NextSlot { trigger: trigger.id.as_str().to_owned(), kind: trigger.kind, at });
        heads[index] = schedule.next_after(at);
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::job::Defaults;
    use bog_domain::spec::yaml;

    #[test]
    fn slots_of_several_triggers_are_merged_in_order() {
        let text = "agent: {command: ['true']}\ntriggers:\n  - {type: cron, cron: '0 9 * * *', id: nine}\n  \
                    - {type: interval, seconds: 28800, id: often}\n";
        let job = Job::parse("j".parse().unwrap(), &yaml::parse(text).unwrap(), &Defaults::default()).unwrap();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let slots = upcoming(&schedules(&job, &[], now), now, 5);
        let told: Vec<String> = slots.iter().map(|slot| format!("{} {}", slot.at, slot.trigger)).collect();
        assert_eq!(
            told,
            [
                "2026-01-01T08:00:00Z often",
                "2026-01-01T09:00:00Z nine",
                "2026-01-01T16:00:00Z often",
                "2026-01-02T00:00:00Z often",
                "2026-01-02T08:00:00Z often"
            ]
        );
    }
}
