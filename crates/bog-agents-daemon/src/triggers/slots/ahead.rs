//! Reading ahead: the triggers of the next slot, parsed shortly before it. Only a cache: what is due, and from where on, is
//! read from the store at the instant itself.

use super::{BATCH, Slots};
use crate::clock;
use crate::store::DueTrigger;
use bog_domain::ids::{JobUid, TriggerId};
use bog_domain::job::Trigger;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// How long before a slot its triggers are read.
const AHEAD: SignedDuration = SignedDuration::from_millis(300);

/// The triggers of the next slot, each with the spec it was parsed from.
#[derive(Debug, Default)]
pub(super) struct Ahead(HashMap<(JobUid, TriggerId), (String, Trigger)>);

impl Ahead {
    /// The trigger, if it was read ahead and its job has not changed since.
    pub(super) fn trigger(&self, due: &DueTrigger) -> Option<&Trigger> {
        let (spec, trigger) = self.0.get(&(due.job, due.trigger.clone()))?;
        (*spec == due.spec).then_some(trigger)
    }

    /// Sleeps until the next slot and reads its triggers on the way. Returns early where the clock is set.
    pub(super) async fn sleep_until(&mut self, next: Option<Timestamp>, slots: &Slots) {
        self.0 = HashMap::new();
        let Some(next) = next else { return clock::sleep_until(None).await };
        let early = next - AHEAD;
        if clock::now() < early {
            clock::sleep_until(Some(early)).await;
            if clock::now() < early {
                return;
            }
        }
        self.read(next, slots).await;
        clock::sleep_until(Some(next)).await;
    }

    async fn read(&mut self, next: Timestamp, slots: &Slots) {
        // Whatever goes wrong here is met again, and reported, at the slot itself.
        let Ok(soon) = slots.store.due_triggers(next, BATCH).await else { return };
        let slots = slots.clone();
        let parse = move || {
            let parsed = soon.into_iter().filter_map(|due| {
                let trigger = slots.parse(&due)?;
                Some(((due.job, due.trigger), (due.spec, trigger)))
            });
            parsed.collect()
        };
        self.0 = crate::tasks::blocking(parse).await.unwrap_or_default();
    }
}
