//! Reading ahead: the triggers of the next slot, read and parsed shortly before it, so that at the instant itself nothing
//! is left but to decide and to write. Only a cache: what has changed meanwhile has another memory in the store, and what
//! is recorded names the memory it was decided from.

use super::{BATCH, Slots};
use crate::clock;
use crate::store::DueTrigger;
use bog_domain::job::Trigger;
use jiff::{SignedDuration, Timestamp};

/// How long before a slot its triggers are read.
const AHEAD: SignedDuration = SignedDuration::from_millis(300);

/// The triggers of the next slot.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    at: Timestamp,
    triggers: Vec<(Option<Trigger>, DueTrigger)>,
}

impl Ahead {
    /// What was read for a slot that has come; nothing where it has not.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<(Option<Trigger>, DueTrigger)> {
        let read = std::mem::take(&mut self.triggers);
        if self.at <= now { read } else { Vec::new() }
    }

    /// Sleeps until the next slot and reads its triggers on the way. Returns early where the clock is set, also if that
    /// was since it was `seen`.
    pub(super) async fn sleep_after(&mut self, seen: Timestamp, next: Option<Timestamp>, slots: &Slots) {
        let Some(next) = next else { return clock::sleep_after(seen, None).await };
        let early = next - AHEAD;
        if clock::now() < early {
            clock::sleep_after(seen, Some(early)).await;
            if clock::now() < early {
                return;
            }
        }
        self.read(next, slots).await;
        clock::sleep_after(seen, Some(next)).await;
    }

    async fn read(&mut self, next: Timestamp, slots: &Slots) {
        // Whatever goes wrong here is met again, and reported, at the slot itself.
        let Ok(soon) = slots.store.due_triggers(next, BATCH).await else { return };
        let slots = slots.clone();
        let parse = move || soon.into_iter().map(|due| (slots.parse(&due), due)).collect();
        self.triggers = crate::tasks::blocking(parse).await.unwrap_or_default();
        self.at = next;
    }
}
