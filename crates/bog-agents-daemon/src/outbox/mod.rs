//! The outbox: delivers what finished runs have to say, again and again until it is taken or given up. It never runs an
//! agent again, and a target that is slow or broken holds up no other.
//!
//! The ledger says what is due; `attempt` makes one attempt and records what came of it, `target` and `message` say
//! where and what, `intent` what must be known if the daemon dies over it, `sample` tries a job's outputs without a run. Which host has room is [`Pace`]'s to say.

mod attempt;
mod intent;
mod message;
mod sample;
mod target;

pub use sample::Sampled;

use crate::clock;
use crate::jobs::Jobs;
use crate::outputs::{Services, file};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError, Wanted};
use crate::tasks::Group;
use crate::telemetry::{Metrics, Problems};
use crate::wakes::Wakes;
use bog_domain::delivery::{Host, Pace};
use bog_domain::ids::DeliveryId;
use jiff::Timestamp;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Deliveries under way at most: each holds its text in memory.
const MAX_UNDER_WAY: usize = 256;

/// How long it waits before it tries again when the store fails.
const RETRY: Duration = Duration::from_secs(1);

/// The name under which it reports problems.
const REPORTER: &str = "outbox";

/// What the outbox works with.
#[derive(Debug, Clone)]
pub struct Outbox {
    /// Where deliveries are.
    pub store: Store,
    /// Who wakes it.
    pub wakes: Arc<Wakes>,
    /// Who knows what a job is.
    pub jobs: Jobs,
    /// What may not leave.
    pub secrets: Secrets,
    /// Who is told what was delivered.
    pub metrics: Metrics,
    /// Who is told what keeps deliveries from being recorded.
    pub problems: Problems,
    /// Where files may be written.
    pub roots: file::Roots,
    /// What targets share.
    pub services: Services,
    /// Deliveries under way.
    pub under_way: UnderWay,
}

/// Deliveries under way, and what is known of the hosts they go to.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    deliveries: HashSet<DeliveryId>,
    pace: Pace,
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What may begin besides.
    fn wanted(&self, now: Timestamp) -> Wanted {
        let mut known = self.lock();
        known.pace.forget(now);
        let limit = MAX_UNDER_WAY.saturating_sub(known.deliveries.len());
        Wanted { under_way: known.deliveries.iter().copied().collect(), pace: known.pace.clone(), limit }
    }

    fn begin(&self, id: DeliveryId, host: &Host, now: Timestamp) {
        let mut known = self.lock();
        known.deliveries.insert(id);
        known.pace.begin(host, now);
    }

    /// `answers` says whether the host did its part.
    fn end(&self, id: DeliveryId, host: &Host, answers: bool) {
        let mut known = self.lock();
        known.deliveries.remove(&id);
        known.pace.end(host, answers);
    }
}

/// Delivers what is due, until told to stop.
pub async fn run(outbox: Outbox, stop: CancellationToken) {
    let mut deliveries = Group::new();
    loop {
        let woken = outbox.wakes.outbox.notified();
        let next = match outbox.start_due(&mut deliveries).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "deliveries cannot be read; trying again");
                outbox.problems.report(REPORTER, format!("deliveries cannot be read: {error}"));
                tokio::select! { () = stop.cancelled() => return, () = tokio::time::sleep(RETRY) => continue }
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = woken => {}
            () = clock::sleep_until(next), if next.is_some() => {}
            Some(_) = deliveries.ended() => {}
        }
    }
    // Each is a moment's work; one that hangs is tried again by the next daemon.
    let all_ended = async { while deliveries.ended().await.is_some() {} };
    let _ = tokio::time::timeout(RETRY, all_ended).await;
}

impl Outbox {
    /// Makes a delivery once more: see [`Store::redeliver`].
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn redeliver(&self, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
        let found = self.store.redeliver(id, now).await?;
        self.wakes.outbox.notify_one();
        Ok(found)
    }

    async fn start_due(&self, deliveries: &mut Group) -> Result<Option<Timestamp>, StoreError> {
        let now = clock::now();
        let wanted = self.under_way.wanted(now);
        if wanted.limit == 0 {
            return Ok(None);
        }
        let idle = wanted.under_way.is_empty();
        let (due, next) = self.store.due_deliveries(wanted, now).await?;
        if idle && due.is_empty() {
            self.problems.clear(REPORTER);
        }
        for due in due {
            self.under_way.begin(due.delivery.id, &due.delivery.host, now);
            deliveries.start("delivery", attempt::attempt(self.clone(), due));
        }
        Ok(next)
    }
}
