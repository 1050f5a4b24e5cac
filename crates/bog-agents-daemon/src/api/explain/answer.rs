//! The answer to "why did it (not) run at that time?" as a function of what is written down: it always has one.

use super::words::{Clock, between, span};
use crate::store::{FireRow, RunRow};
use bog_domain::fire::{Disposition, Reason, TriggerKind};
use bog_domain::ids::TriggerId;
use bog_domain::run::{Outcome, RunState};
use bog_domain::schedule::Schedule;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// What counts as the time that was asked about, on either side.
pub(super) const AROUND: SignedDuration = SignedDuration::from_secs(60);

/// Fires told one by one.
const MOST_TOLD: usize = 10;

/// A slot recorded later than this was made up for.
const LATE: SignedDuration = SignedDuration::from_secs(60);

/// What is known.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) job: &'a str,
    pub(super) at: Timestamp,
    pub(super) now: Timestamp,
    pub(super) zone: TimeZone,
    pub(super) max_runs_reached: bool,
    pub(super) invalid_edit: Option<String>,
    /// Newest first.
    pub(super) revisions: Vec<Revision>,
    pub(super) triggers: Vec<Trigger>,
    /// Oldest first.
    pub(super) around: Vec<Seen>,
    pub(super) before: Option<Seen>,
    pub(super) after: Option<Seen>,
}

/// A revision of the job.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) number: u32,
    pub(super) author: String,
    pub(super) at: Timestamp,
    pub(super) enabled: bool,
}

/// A trigger with its memory.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) id: TriggerId,
    pub(super) kind: TriggerKind,
    /// Its schedule for people.
    pub(super) rule: String,
    pub(super) schedule: Option<Schedule>,
    pub(super) jitter: Duration,
    pub(super) activated_at: Timestamp,
    pub(super) cursor: Timestamp,
}

/// A fire with its run.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) fire: FireRow,
    pub(super) run: Option<RunRow>,
}

/// The answer, a sentence a line.
pub(super) fn answer(facts: &Facts<'_>) -> Vec<String> {
    let clock = Clock::new(facts.zone.clone(), facts.at);
    let mut said = Vec::new();
    if let Some(made) = facts.revisions.last().filter(|made| made.at > facts.at) {
        let (at, when) = (clock.at(facts.at), clock.at(made.at));
        said.push(format!("at {at} there was no job `{}`: it was made at {when} by {}", facts.job, made.author));
    } else if facts.around.is_empty() {
        said.extend(nothing_recorded(facts, &clock));
    } else {
        said.extend(recorded(facts, &clock));
    }
    said.extend(state_then(facts, &clock));
    if facts.around.is_empty() {
        let before = facts.before.as_ref().map(|seen| format!("before that, {}", tell(seen, facts.now, &clock)));
        let after = facts.after.as_ref().map(|seen| format!("after that, {}", tell(seen, facts.now, &clock)));
        said.extend(before.into_iter().chain(after));
    }
    said.extend(state_now(facts, &clock));
    said.push(clock.basis());
    said
}

/// What became of the fires at that time, those closest to it where they are many.
fn recorded(facts: &Facts<'_>, clock: &Clock) -> Vec<String> {
    let distance = |seen: &&Seen| seen.fire.due_at.duration_since(facts.at).abs();
    let mut closest: Vec<&Seen> = facts.around.iter().collect();
    closest.sort_by_key(distance);
    let over = closest.len().saturating_sub(MOST_TOLD);
    closest.truncate(MOST_TOLD);
    closest.sort_by_key(|seen| seen.fire.due_at);
    let mut said: Vec<String> = closest.into_iter().map(|seen| tell(seen, facts.now, clock)).collect();
    if over > 0 {
        said.push(format!(
            "{over} more fires lie within a minute of that time: `bog-agents-daemon fires list --job {}`",
            facts.job
        ));
    }
    said
}

/// Why there is no fire at that time.
fn nothing_recorded(facts: &Facts<'_>, clock: &Clock) -> Vec<String> {
    if facts.triggers.is_empty() {
        let run = format!("`bog-agents-daemon job run {}`", facts.job);
        return vec![format!(
            "the job has no triggers: it runs only by hand ({run}), and at {} nobody asked",
            clock.at(facts.at)
        )];
    }
    facts.triggers.iter().map(|trigger| no_fire_of(trigger, facts, clock)).collect()
}

fn no_fire_of(trigger: &Trigger, facts: &Facts<'_>, clock: &Clock) -> String {
    let at = clock.at(facts.at);
    let Some(schedule) = &trigger.schedule else {
        let (id, kind) = (trigger.id.as_str(), trigger.kind);
        let rule = if trigger.rule.is_empty() { String::new() } else { format!(" ({})", trigger.rule) };
        return format!("trigger `{id}`{rule} waits for `{kind}` events: none was recorded around {at}");
    };
    let name = format!("trigger `{}` ({})", trigger.id.as_str(), trigger.rule);
    let begun = clock.at(trigger.activated_at);
    let (from, until) = (facts.at - AROUND, facts.at + AROUND);
    if until <= trigger.activated_at {
        return format!("{name} began at {begun}, when the revision that has it was saved: it has no slots before");
    }
    match closest_slot(schedule, from, until, facts.at) {
        Some(slot) if slot <= trigger.activated_at => {
            format!("the slot of {} of {name} is not its own: the trigger began at {begun}", clock.at(slot))
        }
        Some(slot) if slot > facts.now => {
            format!("the slot of {} of {name} is still to come, in {}", clock.at(slot), between(facts.now, slot))
        }
        Some(slot) if slot > trigger.cursor => {
            let jitter = match trigger.jitter {
                Duration::ZERO => String::new(),
                jitter => format!(", or its jitter of up to {} is not over", span(jitter)),
            };
            let late = between(slot, facts.now);
            format!(
                "the slot of {} of {name} is not recorded yet, {late} after it was due: the scheduler is late{jitter}",
                clock.at(slot)
            )
        }
        Some(slot) => {
            let why = "the clock was set back, or a later slot made up for it";
            format!("the slot of {} of {name} counts as dealt with, but no fire of it is kept: {why}", clock.at(slot))
        }
        None => no_slot(&name, schedule, trigger, facts, clock),
    }
}

fn no_slot(name: &str, schedule: &Schedule, trigger: &Trigger, facts: &Facts<'_>, clock: &Clock) -> String {
    let previous = schedule.last_until(facts.at).filter(|slot| *slot > trigger.activated_at).map(|slot| clock.at(slot));
    let next = schedule.next_after(facts.at).map(|slot| clock.at(slot));
    let nearest = match (previous, next) {
        (Some(previous), Some(next)) => format!("the nearest are {previous} and {next}"),
        (Some(previous), None) => format!("its last was {previous}"),
        (None, Some(next)) => format!("its first is {next}"),
        (None, None) => "it has none at all".to_owned(),
    };
    format!("{name} has no slot within a minute of {}: {nearest}", clock.at(facts.at))
}

/// The slot in a window that is closest to a time.
fn closest_slot(schedule: &Schedule, from: Timestamp, until: Timestamp, at: Timestamp) -> Option<Timestamp> {
    let before = schedule.last_until(at).filter(|slot| *slot >= from);
    let after = schedule.next_after(at).filter(|slot| *slot <= until);
    before.into_iter().chain(after).min_by_key(|slot| slot.duration_since(at).abs())
}

/// One fire and what became of it.
fn tell(seen: &Seen, now: Timestamp, clock: &Clock) -> String {
    let fire = &seen.fire;
    let (what, was) = name(fire, clock);
    let late = fire.seen_at.duration_since(fire.until_at.unwrap_or(fire.due_at)) > LATE;
    let made_up = late && fire.disposition == Disposition::Run;
    let made_up =
        if made_up { format!(", made up for {} late,", between(fire.due_at, fire.seen_at)) } else { String::new() };
    format!("{what} {was} recorded at {}{made_up} and {}", clock.at(fire.seen_at), verdict(seen, was, now, clock))
}

fn name(fire: &FireRow, clock: &Clock) -> (String, &'static str) {
    let (due, id) = (clock.at(fire.due_at), fire.trigger.as_str());
    if let Some(until) = fire.until_at.filter(|_| fire.count > 1) {
        return (format!("the {} slots from {due} to {} (`{id}`)", fire.count, clock.at(until)), "were");
    }
    let what = match fire.kind {
        TriggerKind::Cron | TriggerKind::Interval => format!("the slot of {due} (`{id}`)"),
        TriggerKind::Manual => format!("the fire by hand of {due}"),
        TriggerKind::FileChange | TriggerKind::Webhook | TriggerKind::GitPush | TriggerKind::Github => {
            format!("the `{}` event of {due} (`{id}`)", fire.kind)
        }
    };
    (what, "was")
}

fn verdict(seen: &Seen, was: &str, now: Timestamp, clock: &Clock) -> String {
    let reason = seen.fire.reason.as_deref();
    let because = |reason: Option<&str>| reason.map_or_else(String::new, |reason| format!(": {reason}"));
    match seen.fire.disposition {
        Disposition::Run => format!("ran as {}", run(seen, now, clock)),
        Disposition::Coalesced => format!("was merged into a run that was waiting already, {}", run(seen, now, clock)),
        Disposition::Filtered if reason == Some(Reason::OwnWrites.as_str()) => {
            format!(
                "{was} kept out: the job's own run was under way and made these changes, or may have; `own_writes: fire` lets them fire"
            )
        }
        Disposition::Filtered => format!("{was} kept out: {}", filtered(reason.unwrap_or("a filter"))),
        Disposition::Blocked => format!("{was} held by a loop breaker{}", because(reason)),
        Disposition::Skipped if reason == Some(Reason::Disabled.as_str()) => {
            format!("{was} skipped: the job was disabled")
        }
        Disposition::Skipped if reason == Some(Reason::Overlap.as_str()) => {
            format!("{was} skipped: the job was still running or waiting, and `overlap: skip` says to leave it at that")
        }
        Disposition::Skipped if reason == Some(Reason::MaxRuns.as_str()) => {
            format!("{was} skipped: the job had had all the runs that `max_runs` allows")
        }
        Disposition::Skipped if reason == Some(Reason::Budget.as_str()) => {
            format!("{was} skipped: what may be spent in a day was spent (`budget.daily_usd`)")
        }
        Disposition::Skipped => format!("{was} skipped{}", because(reason)),
        Disposition::Missed => format!("{was} missed: {}", missed(reason)),
        Disposition::Refused if reason == Some(Reason::Draining.as_str()) => {
            format!("{was} refused: the daemon was draining")
        }
        Disposition::Refused if reason == Some(Reason::QueueFull.as_str()) => {
            format!("{was} refused: as many runs were waiting as `max_queued` allows")
        }
        Disposition::Refused => format!("{was} refused{}", because(reason)),
    }
}

/// Why a trigger kept an event out.
fn filtered(reason: &str) -> String {
    let said = [
        (Reason::Filter, "the `filter` of its trigger does not hold for it"),
        (Reason::OwnComment, "it is a comment of this daemon's own agents"),
        (Reason::Number, "it is about another `number` than the one of its trigger"),
        (Reason::Labels, "it has none of the `labels` of its trigger"),
        (Reason::Actor, "somebody else did it than the `actor` of its trigger"),
        (Reason::Branch, "it is about another `branch` than that of its trigger"),
    ];
    let words = said.into_iter().find(|(known, _)| known.as_str() == reason).map(|(_, words)| words);
    words.unwrap_or(reason).to_owned()
}

fn missed(reason: Option<&str>) -> String {
    let why =
        "nothing could take it then (the daemon was not running, the machine slept, or the clock was set forward)";
    if reason == Some(Reason::OutsideWindow.as_str()) {
        format!("{why}, and when something could, it was older than `catch_up.window`")
    } else {
        format!("{why}, and `catch_up.policy` does not make up for it")
    }
}

fn run(seen: &Seen, now: Timestamp, clock: &Clock) -> String {
    let Some(run) = &seen.run else {
        let id = seen.fire.run_id.map(|id| id.to_string()).unwrap_or_default();
        return format!("{id}, which is not kept any more");
    };
    let id = run.id;
    match run.state {
        // Only a new attempt after one that failed waits for an instant.
        RunState::Queued if run.attempt > 0 && run.not_before == Timestamp::UNIX_EPOCH => match &run.error {
            None => format!("{id}: its gate let it through; it waits for its turn"),
            Some(error) => format!("{id}: it had stopped ({error}) and waits for its turn to go on"),
        },
        RunState::Queued if run.attempt > 0 => {
            let error = run.error.as_deref().unwrap_or("it did not end well");
            format!(
                "{id}: attempt {} of {} failed ({error}); the next is due at {}",
                run.attempt,
                run.max_attempts,
                clock.at(run.not_before)
            )
        }
        RunState::Queued => format!("{id}: it waits for its turn since {}", clock.at(run.queued_at)),
        RunState::Running => {
            let since = run.started_at.unwrap_or(run.queued_at);
            format!("{id}: it runs for {} (attempt {} of {})", between(since, now), run.attempt, run.max_attempts)
        }
        RunState::Paused => format!("{id}: it is paused"),
        RunState::Finished => format!("{id}: {}", ended(run)),
    }
}

fn ended(run: &RunRow) -> String {
    let took =
        run.started_at.zip(run.finished_at).map(|(from, to)| format!(" in {}", between(from, to))).unwrap_or_default();
    let error = run.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
    let limit = run.limit.map(|limit| format!(": {limit}"));
    match run.outcome {
        Some(Outcome::Succeeded) => format!("succeeded{took}"),
        Some(Outcome::Failed) => format!("failed{took}{error}"),
        Some(Outcome::TimedOut) => format!("timed out{took}{error}"),
        Some(Outcome::LimitExceeded) => format!("exceeded a limit{took}{}", limit.unwrap_or(error)),
        Some(Outcome::Cancelled) => format!("was cancelled{took}{error}"),
        Some(Outcome::Interrupted) => format!("was interrupted{took}{error}"),
        Some(Outcome::StartFailed) => format!("could not be started{error}"),
        None => format!("ended{took}{error}"),
    }
}

/// Whether the job was disabled at that time, and by whom.
fn state_then(facts: &Facts<'_>, clock: &Clock) -> Option<String> {
    let then = facts.revisions.iter().position(|revision| revision.at <= facts.at)?;
    let disabled = facts.revisions[then..].iter().take_while(|revision| !revision.enabled).last()?;
    let when = clock.at(disabled.at);
    let enabled = facts.revisions[..then].iter().rev().find(|revision| revision.enabled);
    let enabled = enabled
        .map(|by| format!(", and enabled again by revision {} ({} at {})", by.number, by.author, clock.at(by.at)));
    let enabled = enabled.unwrap_or_else(|| format!(", and still is: `bog-agents-daemon job enable {}`", facts.job));
    Some(format!("the job was disabled since revision {} ({} at {when}){enabled}", disabled.number, disabled.author))
}

/// What keeps the job from running now, whatever was then.
fn state_now(facts: &Facts<'_>, clock: &Clock) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(error) = &facts.invalid_edit {
        let running = facts.revisions.first().map_or(1, |revision| revision.number);
        said.push(format!("its file has an edit that is not valid, so revision {running} goes on: {error}"));
    }
    if facts.max_runs_reached {
        said.push("it has had all the runs that `max_runs` allows, so it takes no more fires".to_owned());
    }
    let enabled = facts.revisions.first().is_none_or(|newest| newest.enabled);
    let slots = facts.triggers.iter().filter_map(|trigger| trigger.schedule.as_ref()?.next_after(facts.now));
    if let Some(next) = slots.min().filter(|_| enabled && !facts.max_runs_reached) {
        said.push(format!("the next slot is {}, in {}", clock.at(next), between(facts.now, next)));
    }
    said
}

#[cfg(test)]
mod tests;
