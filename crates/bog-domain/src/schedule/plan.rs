//! The decision of the clock: which slots fire now, which are missed, and when to look again.
//!
//! [`plan`] is called whenever the scheduler wakes - on time, late, after a restart, a suspend or a step of the clock -
//! and makes no difference between them: all it knows is up to where slots have been dealt with (the cursor) and what
//! time it is.
//!
//! # On time or late
//!
//! A slot is on time when it is taken within [`GRACE`] of its instant, or, being the newest one due, within
//! [`NEWEST_GRACE`]: a machine that swaps or wakes up slowly has not missed its nine o'clock job at 9:00:40. On-time
//! slots fire whatever the catch-up policy says. All others are late, and the policy decides.
//!
//! # Jitter
//!
//! A slot is taken at its instant plus its jitter, which never reaches the next slot's instant: slots are taken in
//! their order, and jitter longer than the schedule's own spacing does not pile them up.
//!
//! # Steps of the clock
//!
//! Forward steps are downtime. After a step back of less than [`CLOCK_CORRECTION`] the cursor stays, so nothing is
//! planned until the clock has caught up with it: those slots are dealt with. A longer one means that the clock was
//! wrong before, so planning goes on from the new time, as in Vixie cron; a job does not sleep for the years that a
//! machine without a clock battery once believed in. A slot that has already fired is then planned again, and its
//! identity (job, trigger, instant) makes the second recording one with the first.

use super::Schedule;
use super::catch_up::{CatchUp, CatchUpPolicy};
use super::jitter::Jitter;
use crate::fire::Reason;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// How late any slot may be taken and still be on time.
pub const GRACE: Duration = Duration::from_secs(5);

/// How late the newest due slot may be taken and still be on time.
pub const NEWEST_GRACE: Duration = Duration::from_secs(60);

/// A step back of the clock from which on the new time is believed.
pub const CLOCK_CORRECTION: Duration = Duration::from_secs(3 * 60 * 60);

/// How many slots one plan makes up for under [`CatchUpPolicy::All`].
pub const BATCH: usize = 100;

/// How long it waits before the next batch.
pub const PACE: Duration = Duration::from_secs(1);

/// How many missed slots of a cron expression are counted before it is "at least so many".
pub const COUNT_CAP: u64 = 10_000;

/// A slot to be fired now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueSlot {
    /// Its nominal instant, by which it is known.
    pub due_at: Timestamp,
    /// How many slots it stands for, itself included: more than 1 where it makes up for others. At most
    /// [`COUNT_CAP`] and one of a cron expression.
    pub scheduled_count: u64,
    /// Whether it is late, and fires only because the catch-up policy says so.
    pub caught_up: bool,
}

/// Consecutive slots that will not fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedRange {
    /// The first of them.
    pub from: Timestamp,
    /// The last of them.
    pub until: Timestamp,
    /// How many there are.
    pub count: u64,
    /// Whether there are more than `count`.
    pub count_capped: bool,
    /// [`Reason::CatchUp`] or [`Reason::OutsideWindow`].
    pub reason: Reason,
}

/// What [`plan`] decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The slots to fire now, oldest first.
    pub fires: Vec<DueSlot>,
    /// The slots that will not fire, oldest first.
    pub missed: Vec<MissedRange>,
    /// The new cursor, to be stored in the same commit as the fires and the missed ranges.
    pub cursor: Timestamp,
    /// When to plan again, jitter included; `None` when no slot is left.
    pub next_at: Option<Timestamp>,
    /// Whether the clock was set back so far that the cursor went back with it.
    pub rewound: bool,
}

/// Decides what becomes of the slots in `(cursor, now]`.
///
/// `cursor` is the trigger's memory: everything up to and including it has been dealt with. It begins as the instant
/// of the trigger's activation.
#[must_use]
pub fn plan(schedule: &Schedule, cursor: Timestamp, now: Timestamp, catch_up: &CatchUp, jitter: &Jitter<'_>) -> Plan {
    let slots = Slots { schedule, jitter };
    let rewound = cursor.duration_since(now) >= signed(CLOCK_CORRECTION);
    let cursor = if rewound { now } else { cursor };
    let Some(newest) = slots.newest_taken(now).filter(|newest| *newest > cursor) else {
        return Plan { fires: Vec::new(), missed: Vec::new(), cursor, next_at: slots.next_taken(cursor), rewound };
    };

    let mut on_time = slots.on_time(cursor, newest, now);
    let newest_late = match on_time.first() {
        Some(first) => slots.last_before(first.due_at).filter(|slot| *slot > cursor),
        None => Some(newest),
    };
    let late = newest_late.map_or_else(Late::default, |newest| slots.late(cursor, newest, now, catch_up, &mut on_time));

    if let Some(last) = late.fires.last().filter(|_| late.unfinished) {
        let cursor = last.due_at;
        let next_at = now.checked_add(signed(PACE)).ok();
        return Plan { fires: late.fires, missed: late.missed, cursor, next_at, rewound };
    }
    let mut fires = late.fires;
    fires.append(&mut on_time);
    Plan { fires, missed: late.missed, cursor: newest, next_at: slots.next_taken(newest), rewound }
}

/// What becomes of late slots.
#[derive(Default)]
struct Late {
    fires: Vec<DueSlot>,
    missed: Vec<MissedRange>,
    /// Whether late slots are left for the next plan.
    unfinished: bool,
}

/// A schedule whose slots are taken with jitter.
struct Slots<'a> {
    schedule: &'a Schedule,
    jitter: &'a Jitter<'a>,
}

impl Slots<'_> {
    /// When a slot is taken: before its successor is due, in any case.
    fn taken_at(&self, due_at: Timestamp) -> Timestamp {
        if self.jitter.max.is_zero() {
            return due_at;
        }
        let spacing = self.schedule.next_after(due_at).map(|next| next.duration_since(due_at).unsigned_abs());
        let delay = self.jitter.delay(due_at, spacing.unwrap_or(Duration::MAX));
        due_at.checked_add(signed(delay)).unwrap_or(Timestamp::MAX)
    }

    fn next_taken(&self, cursor: Timestamp) -> Option<Timestamp> {
        self.schedule.next_after(cursor).map(|slot| self.taken_at(slot))
    }

    /// The newest slot whose time to be taken has come.
    fn newest_taken(&self, now: Timestamp) -> Option<Timestamp> {
        let newest = self.schedule.last_until(now)?;
        if self.taken_at(newest) <= now { Some(newest) } else { self.last_before(newest) }
    }

    fn last_before(&self, at: Timestamp) -> Option<Timestamp> {
        self.schedule.last_until(at.checked_sub(SignedDuration::from_nanos(1)).ok()?)
    }

    /// The on-time slots in `(cursor, newest]`, oldest first.
    fn on_time(&self, cursor: Timestamp, newest: Timestamp, now: Timestamp) -> Vec<DueSlot> {
        let mut found = Vec::new();
        let mut candidate = Some(newest);
        let mut grace = NEWEST_GRACE;
        while let Some(slot) = candidate.filter(|slot| *slot > cursor) {
            if now.duration_since(self.taken_at(slot)) > signed(grace) {
                break;
            }
            found.push(DueSlot { due_at: slot, scheduled_count: 1, caught_up: false });
            grace = GRACE;
            candidate = self.last_before(slot);
        }
        found.reverse();
        found
    }

    /// Applies the catch-up policy to the late slots in `(cursor, newest]`; under `once`, an on-time slot that fires
    /// anyway stands for them.
    fn late(
        &self,
        cursor: Timestamp,
        newest: Timestamp,
        now: Timestamp,
        catch_up: &CatchUp,
        on_time: &mut [DueSlot],
    ) -> Late {
        let too_old = now.checked_sub(signed(catch_up.window)).unwrap_or(Timestamp::MIN);
        let last_too_old = self.last_before(too_old).filter(|slot| *slot > cursor).map(|slot| slot.min(newest));
        let window_from = last_too_old.unwrap_or(cursor);
        let outside = last_too_old.and_then(|last| self.missed(cursor, last, Reason::OutsideWindow));
        match catch_up.policy {
            CatchUpPolicy::None => {
                let missed = self.missed(cursor, newest, Reason::CatchUp);
                Late { missed: missed.into_iter().collect(), ..Late::default() }
            }
            CatchUpPolicy::Once => self.once(window_from, newest, outside, on_time),
            CatchUpPolicy::All => self.all(window_from, newest, outside),
        }
    }

    fn once(
        &self,
        window_from: Timestamp,
        newest: Timestamp,
        outside: Option<MissedRange>,
        on_time: &mut [DueSlot],
    ) -> Late {
        let mut late = Late::default();
        let last_missed = match on_time.first() {
            Some(_) => Some(newest),
            None => self.last_before(newest),
        };
        let inside = last_missed.and_then(|last| self.missed(window_from, last, Reason::CatchUp));
        let stands_for = 1 + inside.map_or(0, |inside| inside.count);
        match on_time.first_mut() {
            Some(first) => first.scheduled_count = stands_for,
            None if newest > window_from => {
                late.fires.push(DueSlot { due_at: newest, scheduled_count: stands_for, caught_up: true });
            }
            None => {}
        }
        late.missed = outside.into_iter().chain(inside).collect();
        late
    }

    fn all(&self, window_from: Timestamp, newest: Timestamp, outside: Option<MissedRange>) -> Late {
        let mut late = Late { missed: outside.into_iter().collect(), ..Late::default() };
        let mut at = window_from;
        while let Some(slot) = self.schedule.next_after(at).filter(|slot| *slot <= newest) {
            if late.fires.len() == BATCH {
                late.unfinished = true;
                break;
            }
            late.fires.push(DueSlot { due_at: slot, scheduled_count: 1, caught_up: true });
            at = slot;
        }
        late
    }

    /// The slots in `(after, until]` as one range, if there are any.
    fn missed(&self, after: Timestamp, until: Timestamp, reason: Reason) -> Option<MissedRange> {
        let from = self.schedule.next_after(after).filter(|from| *from <= until)?;
        let until = self.schedule.last_until(until)?;
        let count = self.schedule.count(after, until, COUNT_CAP);
        Some(MissedRange { from, until, count: count.slots, count_capped: count.capped, reason })
    }
}

/// Durations here are far below the 292 billion years at which this would not be exact.
fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests;
