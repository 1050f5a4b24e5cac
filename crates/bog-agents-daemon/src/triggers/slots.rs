//! Cron and interval slots: sleeps on the wall clock until the earliest slot of any trigger, then records what is due.
//!
//! The slots to come are in the store, ordered, so a daemon with ten thousand jobs holds none of them in memory and looks
//! at none that is not due. Shortly before a slot it reads the jobs that will be due ([`ahead`]), so that at the instant
//! itself nothing is left but to decide and to write. What becomes of a slot is decided by `bog-domain`; that it is written down before the
//! trigger's memory moves on is the store's doing: both are one commit.

mod ahead;

use crate::clock;
use crate::inbox::Inbox;
use crate::jobs::Jobs;
use crate::store::{Advance, DueTrigger, Store, StoreError};
use crate::telemetry::{Metrics, Problems};
use crate::wakes::Wakes;
use ahead::Ahead;
use bog_domain::fire::TriggerKind;
use bog_domain::ids::FireId;
use bog_domain::job::Trigger;
use bog_domain::schedule::plan::{CLOCK_CORRECTION, Plan};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Due triggers taken at a time.
const BATCH: u32 = 1024;

/// How long it waits before it tries again when the store fails.
const RETRY: Duration = Duration::from_secs(1);

/// The name under which it reports problems.
const REPORTER: &str = "slots";

/// What the scheduler works with.
#[derive(Debug, Clone)]
pub struct Slots {
    /// Where the slots are.
    pub store: Store,
    /// Where fires go.
    pub inbox: Inbox,
    /// Who wakes it.
    pub wakes: Arc<Wakes>,
    /// Who knows what a job's triggers are.
    pub jobs: Jobs,
    /// Who is told how late it was.
    pub metrics: Metrics,
    /// Who is told what keeps slots from being recorded.
    pub problems: Problems,
}

/// Records slots as they come due, until told to stop.
pub async fn run(slots: Slots, stop: CancellationToken) {
    let mut ahead = Ahead::default();
    // The clock may have been set back while no daemon ran.
    let mut latest = Timestamp::MAX;
    loop {
        // Interest is registered before the store is asked, so that a change in between is not slept through.
        let changed = slots.wakes.slots.notified();
        let seen = clock::now();
        let next = match slots.take_all(&mut ahead, &mut latest).await {
            Ok(next) => {
                slots.problems.clear(REPORTER);
                next
            }
            Err(error) => {
                tracing::error!(%error, "due slots cannot be recorded; trying again");
                slots.problems.report(REPORTER, format!("due slots wait to be recorded: {error}"));
                tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(RETRY) => continue }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed => {}
            () = ahead.sleep_after(seen, next, &slots) => {}
        }
    }
}

impl Slots {
    /// As [`Slots::take_due`]; where the clock was set back by hours, what waits for instants that the old time had near
    /// is looked at first. `latest` is the latest time seen.
    async fn take_all(&self, ahead: &mut Ahead, latest: &mut Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let now = clock::now();
        let correction = SignedDuration::try_from(CLOCK_CORRECTION).unwrap_or(SignedDuration::MAX);
        if latest.duration_since(now) >= correction {
            let future = now.saturating_add(correction).unwrap_or(Timestamp::MAX);
            self.store.set_back(future, now).await?;
            self.wakes.dispatcher.notify_one();
            self.wakes.outbox.notify_one();
            *latest = now;
        }
        *latest = now.max(*latest);
        self.take_due(ahead).await
    }

    /// Records everything that is due and returns when the next slot is.
    async fn take_due(&self, ahead: &mut Ahead) -> Result<Option<Timestamp>, StoreError> {
        let now = clock::now();
        // Where one of these has changed since it was read, its memory has too, and nothing is recorded of it here.
        self.take_together(ahead.due(now), now).await?;
        loop {
            let now = clock::now();
            let due = self.store.due_triggers(now, BATCH).await?;
            if due.is_empty() {
                return self.store.next_slot().await;
            }
            let parsed = due.into_iter().map(|due| (self.parse(&due), due)).collect();
            self.take_together(parsed, now).await?;
        }
    }

    /// Records these triggers' slots together, so that they share commits; one that fails does not hold up the others.
    async fn take_together(&self, due: Vec<(Option<Trigger>, DueTrigger)>, now: Timestamp) -> Result<(), StoreError> {
        if due.is_empty() {
            return Ok(());
        }
        let _recording = self.wakes.recording.lock().await;
        let taken = due.into_iter().map(|(trigger, due)| self.take(trigger, due, now));
        let mut taken: FuturesUnordered<_> = taken.collect();
        let mut failed = None;
        while let Some(result) = taken.next().await {
            failed = result.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    async fn take(&self, trigger: Option<Trigger>, due: DueTrigger, now: Timestamp) -> Result<(), StoreError> {
        let planned = trigger.and_then(|trigger| {
            let plan = trigger.plan(due.job, due.activated_at, due.cursor, now)?;
            Some((trigger, plan))
        });
        let Some((trigger, plan)) = planned else {
            // A stored job that this version or configuration finds invalid: said once an hour, never in a loop.
            tracing::error!(job.id = %due.job_id, trigger = %due.trigger, "its slots cannot be worked out: edit the job");
            return self.postpone(&due, now).await;
        };
        if plan.rewound {
            tracing::warn!(job.id = %due.job_id, "the clock was set back by hours: going on from the new time");
        }
        let on_time: Vec<Timestamp> =
            plan.fires.iter().filter(|slot| !slot.caught_up).map(|slot| slot.due_at).collect();
        self.inbox.advance(self.advance(&due, &trigger, plan)).await?;
        for due_at in on_time {
            self.metrics.scheduler_late(clock::now().duration_since(due_at).try_into().unwrap_or_default());
        }
        Ok(())
    }

    fn parse(&self, due: &DueTrigger) -> Option<Trigger> {
        let job = self.jobs.parse(&due.job_id, &due.spec).ok()?;
        job.triggers.into_iter().find(|trigger| trigger.id == due.trigger)
    }

    fn advance(&self, due: &DueTrigger, trigger: &Trigger, plan: Plan) -> Advance {
        let missed = plan.missed.into_iter();
        let missed =
            missed.map(|range| (FireId::new(clock::new_id()), range.from, range.until, range.count, range.reason));
        let fires = plan.fires.into_iter().map(|slot| {
            let context =
                json!({ "due_at": slot.due_at, "scheduled_count": slot.scheduled_count, "caught_up": slot.caught_up });
            crate::store::Arrival {
                trigger: trigger.id.clone(),
                // The nominal instant: the same slot planned twice, after the clock was set back, is one fire.
                dedupe_key: Some(slot.due_at.to_string()),
                ..self.inbox.arrival(due.job, trigger.kind, slot.due_at, context)
            }
        });
        Advance {
            job: due.job,
            trigger: trigger.id.clone(),
            kind: trigger.kind,
            from: due.cursor,
            cursor: plan.cursor,
            next_at: plan.next_at,
            missed: missed.collect(),
            fires: fires.collect(),
        }
    }

    async fn postpone(&self, due: &DueTrigger, now: Timestamp) -> Result<(), StoreError> {
        let advance = Advance {
            job: due.job,
            trigger: due.trigger.clone(),
            kind: TriggerKind::Cron,
            from: due.cursor,
            cursor: due.cursor,
            next_at: now.checked_add(SignedDuration::from_hours(1)).ok(),
            missed: Vec::new(),
            fires: Vec::new(),
        };
        self.inbox.advance(advance).await.map(drop)
    }
}
