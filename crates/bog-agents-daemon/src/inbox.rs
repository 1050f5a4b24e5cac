//! The inbox: the one way in for everything that happens. It makes ids, writes down (one durable commit), wakes those
//! who wait, and answers. It starts nothing itself.

use crate::clock;
use crate::store::{
    Accepted, Advance, Answer, Arrival, Cancelled, More, Observation, Pushes, Resumed, Store, StoreError,
};
use crate::telemetry::Metrics;
use crate::wakes::Wakes;
use bog_domain::breaker::Bounds;
use bog_domain::fire::{Cause, Disposition, TriggerKind};
use bog_domain::ids::{FireId, JobUid, RunId, TriggerId};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::sync::Arc;

/// The one way in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbox {
    store: Store,
    wakes: Arc<Wakes>,
    metrics: Metrics,
    bounds: Bounds,
    /// US dollars that all runs of one day may cost.
    daily_usd: Option<f64>,
    zone: TimeZone,
}

/// A fire by hand.
#[derive(Debug, Clone)]
pub struct ByHand {
    /// The job.
    pub job: JobUid,
    /// What templates see as `event`, but for the fields that every event has: of a fire by hand its `payload`, of one
    /// that is made again all that the first one had.
    pub context: Value,
    /// What caused it.
    pub cause: Cause,
    /// The answer to be kept for a request that carries a key.
    pub answer: Option<Answer>,
}

impl Inbox {
    /// An inbox over a store.
    #[must_use]
    pub fn new(store: Store, wakes: Arc<Wakes>, metrics: Metrics) -> Self {
        Self { store, wakes, metrics, bounds: Bounds::default(), daily_usd: None, zone: TimeZone::UTC }
    }

    /// Lets runs cause so much where a job does not say.
    #[must_use]
    pub fn bounded(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// With what all runs of one day may cost, in US dollars, and the zone whose days count.
    #[must_use]
    pub fn spending(self, daily_usd: Option<f64>, zone: TimeZone) -> Self {
        Self { daily_usd, zone, ..self }
    }

    /// Takes a fire by hand.
    ///
    /// # Errors
    /// When it cannot be written down; then it did not happen.
    pub async fn fire_by_hand(&self, by_hand: ByHand) -> Result<Accepted, StoreError> {
        let now = clock::now();
        let arrival = Arrival {
            trigger: TriggerId::manual(),
            cause: by_hand.cause,
            answer: by_hand.answer,
            ..self.arrival(by_hand.job, TriggerKind::Manual, now, by_hand.context)
        };
        let accepted = self.store.accept(arrival, now).await?;
        self.noticed(&accepted);
        Ok(accepted)
    }

    /// Takes what one request brings, all of it or nothing.
    ///
    /// # Errors
    /// When it cannot be written down; then it did not happen.
    pub async fn receive(&self, arrivals: Vec<Arrival>) -> Result<Vec<Accepted>, StoreError> {
        let accepted = self.store.accept_all(arrivals, clock::now()).await?;
        accepted.iter().for_each(|one| self.noticed(one));
        Ok(accepted)
    }

    /// Records a trigger's slots and moves its memory on. `false` when the plan was stale.
    ///
    /// # Errors
    /// When it cannot be written down; then the slots are still due.
    pub async fn advance(&self, advance: Advance) -> Result<bool, StoreError> {
        let missed: Vec<u64> = advance.missed.iter().map(|missed| missed.3).collect();
        let Some(accepted) = self.store.advance(advance, clock::now()).await? else { return Ok(false) };
        for count in missed {
            self.metrics.fires(Disposition::Missed, count);
        }
        for one in &accepted {
            self.noticed(one);
        }
        Ok(true)
    }

    /// Records pushes to a repository and moves their trigger's memory on. `false` when that memory is another one by now.
    ///
    /// # Errors
    /// When they cannot be written down; then the next look finds them again.
    pub async fn record_pushes(&self, pushes: Pushes) -> Result<bool, StoreError> {
        let Some(accepted) = self.store.record_pushes(pushes, clock::now()).await? else { return Ok(false) };
        for one in &accepted {
            self.noticed(one);
        }
        Ok(true)
    }

    /// Moves on what a trigger remembers of its files, and takes the fires that tell of it. `false` when that was decided
    /// from a memory that had moved on, or gone, before.
    ///
    /// # Errors
    /// When it cannot be written down; then the changes are still to be told.
    pub async fn observe(&self, observation: Observation) -> Result<bool, StoreError> {
        let Some(accepted) = self.store.observe(observation, clock::now()).await? else { return Ok(false) };
        accepted.iter().for_each(|one| self.noticed(one));
        Ok(true)
    }

    /// An arrival with fresh ids.
    #[must_use]
    pub fn arrival(&self, job: JobUid, kind: TriggerKind, due_at: Timestamp, context: Value) -> Arrival {
        Arrival {
            fire: FireId::new(clock::new_id()),
            run: RunId::new(clock::new_id()),
            job,
            trigger: TriggerId::manual(),
            kind,
            due_at,
            dedupe_key: None,
            cause: Cause::default(),
            bounds: self.bounds,
            context: context.to_string(),
            filtered: None,
            day: (clock::day_began(clock::now(), &self.zone), self.daily_usd),
            draining: self.is_draining(),
            answer: None,
        }
    }

    /// Cancels a run: at once if it waits, else by asking its runner.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn cancel(&self, run: RunId, reason: String) -> Result<Cancelled, StoreError> {
        let cancelled = self.store.cancel(run, reason, clock::now()).await?;
        self.wakes.dispatcher.notify_one();
        Ok(cancelled)
    }

    /// Goes on with a run that stopped at its budget.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub async fn resume(&self, run: RunId, more: More) -> Result<Resumed, StoreError> {
        let resumed = self.store.resume(run, more, self.daily_usd.is_some()).await?;
        self.wakes.dispatcher.notify_one();
        Ok(resumed)
    }

    /// Takes no new work from now on; what runs goes on.
    pub fn drain(&self) {
        self.wakes.drain();
    }

    /// Whether it takes no new work.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.wakes.is_draining()
    }

    fn noticed(&self, accepted: &Accepted) {
        match accepted {
            Accepted::Recorded(receipt) => {
                if receipt.disposition == Disposition::Blocked {
                    let reason = receipt.reason.as_deref().unwrap_or_default();
                    tracing::warn!(fire.id = %receipt.fire_id, reason, "a loop breaker holds a fire that a run caused");
                }
                self.metrics.fires(receipt.disposition, 1);
                self.wakes.dispatcher.notify_one();
            }
            Accepted::Duplicate(_) | Accepted::KeyReused | Accepted::Gone => {}
        }
    }
}
