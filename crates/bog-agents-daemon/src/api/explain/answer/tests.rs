//! One question a case; the answers are the snapshot.

use super::*;
use bog_domain::containment::{LimitHit, LimitKind};
use bog_domain::fire::Cause;
use bog_domain::ids::{FireId, JobUid, RunId};
use bog_domain::run::Usage;
use bog_domain::schedule::interval::IntervalSchedule;
use uuid::Uuid;

fn at(text: &str) -> Timestamp {
    let text = if text.len() > 12 { text.to_owned() } else { format!("2026-03-02T{text}+01:00") };
    text.parse().unwrap()
}

/// A job made in February that runs every day at 9 in Berlin.
fn facts() -> Facts<'static> {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let schedule = Schedule::Cron { expr: "0 9 * * *".parse().unwrap(), zone: zone.clone() };
    let made = at("2026-02-01T12:00:00Z");
    Facts {
        job: "brief",
        at: at("09:00:00"),
        now: at("10:30:00"),
        zone,
        max_runs_reached: false,
        invalid_edit: None,
        revisions: vec![revision(1, "cli", made, true)],
        triggers: vec![trigger("cron-1a2b", TriggerKind::Cron, "`0 9 * * *` in Europe/Berlin", Some(schedule), made)],
        around: Vec::new(),
        before: None,
        after: None,
    }
}

fn revision(number: u32, author: &str, at: Timestamp, enabled: bool) -> Revision {
    Revision { number, author: author.to_owned(), at, enabled }
}

fn trigger(id: &str, kind: TriggerKind, rule: &str, schedule: Option<Schedule>, begun: Timestamp) -> Trigger {
    let (id, rule) = (TriggerId::new(id), rule.to_owned());
    Trigger { id, kind, rule, schedule, jitter: Duration::ZERO, activated_at: begun, cursor: at("10:00:00") }
}

fn fire(due: &str, seen: &str, disposition: Disposition, reason: Option<Reason>) -> Seen {
    let fire = FireRow {
        seq: 1,
        id: FireId::new(Uuid::nil()),
        job_id: "brief".parse().unwrap(),
        job_uid: JobUid::new(Uuid::nil()),
        trigger: TriggerId::new("cron-1a2b"),
        kind: TriggerKind::Cron,
        due_at: at(due),
        until_at: None,
        count: 1,
        seen_at: at(seen),
        disposition,
        reason: reason.map(|reason| reason.as_str().to_owned()),
        run_id: None,
        dedupe_key: None,
        cause: Cause::default(),
        context: "{}".to_owned(),
    };
    Seen { fire, run: None }
}

fn ran(due: &str, seen: &str, change: impl FnOnce(&mut RunRow)) -> Seen {
    let mut seen = fire(due, seen, Disposition::Run, None);
    let mut run = RunRow {
        seq: 1,
        id: RunId::new(Uuid::nil()),
        job_uid: seen.fire.job_uid,
        job_id: seen.fire.job_id.clone(),
        job_name: "Brief".to_owned(),
        revision: 1,
        fire_id: seen.fire.id,
        kind: seen.fire.kind,
        fires: 1,
        state: RunState::Finished,
        attempt: 1,
        max_attempts: 3,
        epoch: None,
        not_before: seen.fire.seen_at,
        queued_at: seen.fire.seen_at,
        started_at: Some(seen.fire.seen_at),
        finished_at: Some(seen.fire.seen_at + SignedDuration::from_millis(3200)),
        cancel: None,
        outcome: Some(Outcome::Succeeded),
        exit_code: Some(0),
        output_head: String::new(),
        output_bytes: 0,
        output_truncated: false,
        error: None,
        usage: Usage::default(),
        limit: None,
    };
    change(&mut run);
    seen.fire.run_id = Some(run.id);
    seen.run = Some(run);
    seen
}

fn not_over(run: &mut RunRow, state: RunState) {
    (run.state, run.outcome, run.finished_at) = (state, None, None);
}

fn asked(question: &str, change: impl FnOnce(&mut Facts<'static>)) -> String {
    let mut facts = facts();
    change(&mut facts);
    let said = answer(&facts);
    assert!(said.len() >= 2, "there is always an answer: {said:?}");
    format!("{question}\n  {}", said.join("\n  "))
}

fn all(cases: &[String]) -> String {
    cases.join("\n\n")
}

#[test]
fn what_was_recorded_is_told() {
    let told = all(&[
        asked("it ran", |f| f.around = vec![ran("09:00:00", "09:00:00.012", |_| {})]),
        asked("it ran and failed", |f| {
            f.around = vec![ran("09:00:00", "09:00:00.012", |run| {
                (run.outcome, run.error) = (Some(Outcome::Failed), Some("exit code 3".to_owned()));
            })];
        }),
        asked("it runs", |f| {
            f.around = vec![ran("09:00:00", "09:00:00.012", |run| not_over(run, RunState::Running))];
        }),
        asked("it waits", |f| {
            f.around = vec![ran("09:00:00", "09:00:00.012", |run| {
                not_over(run, RunState::Queued);
                run.attempt = 0;
            })];
        }),
        asked("it waits for its next attempt", |f| {
            f.around = vec![ran("09:00:00", "09:00:00.012", |run| {
                not_over(run, RunState::Queued);
                (run.not_before, run.error) = (at("10:31:00"), Some("exit code 3".to_owned()));
            })];
        }),
        asked("it exceeded a limit", |f| {
            f.around = vec![ran("09:00:00", "09:00:00.012", |run| {
                run.outcome = Some(Outcome::LimitExceeded);
                run.error = Some("killed".to_owned());
                run.limit = Some(LimitHit { limit: LimitKind::Memory, allowed: 2 << 30, peak: (2 << 30) + (1 << 28) });
            })];
        }),
        asked("it was made up for", |f| f.around = vec![ran("09:00:00", "11:03:00.5", |_| {})]),
        asked("its run was pruned", |f| {
            f.around = vec![ran("09:00:00", "09:00:00.012", |_| {})];
            f.around[0].run = None;
        }),
        asked("it overlapped", |f| {
            f.around = vec![fire("09:00:00", "09:00:00.004", Disposition::Skipped, Some(Reason::Overlap))];
        }),
        asked("it was merged", |f| {
            let mut merged = ran("09:00:00", "09:00:00.004", |_| {});
            merged.fire.disposition = Disposition::Coalesced;
            f.around = vec![merged];
        }),
        asked("the daemon was down for days", |f| {
            let mut missed = fire("09:00:00", "10:00:00", Disposition::Missed, Some(Reason::CatchUp));
            (missed.fire.due_at, missed.fire.until_at, missed.fire.count) =
                (at("2026-02-27T08:00:00Z"), Some(at("09:00:00")), 4);
            f.around = vec![missed];
        }),
        asked("the daemon was down too long", |f| {
            f.around = vec![fire("09:00:00", "10:00:00", Disposition::Missed, Some(Reason::OutsideWindow))];
        }),
        asked("it was disabled", |f| {
            f.around = vec![fire("09:00:00", "09:00:00.004", Disposition::Skipped, Some(Reason::Disabled))];
            f.revisions.insert(0, revision(2, "api", at("2026-03-01T12:00:00Z"), false));
            f.revisions.insert(0, revision(3, "cli", at("09:30:00"), true));
        }),
        asked("the queue was full", |f| {
            f.around = vec![fire("09:00:00", "09:00:00.004", Disposition::Refused, Some(Reason::QueueFull))];
        }),
        asked("the daemon was draining", |f| {
            f.around = vec![fire("09:00:00", "09:00:00.004", Disposition::Refused, Some(Reason::Draining))];
        }),
        asked("all runs were used up", |f| {
            f.around = vec![fire("09:00:00", "09:00:00.004", Disposition::Skipped, Some(Reason::MaxRuns))];
            f.max_runs_reached = true;
        }),
        asked("there were many", |f| {
            let second =
                |n: u32| fire(&format!("09:00:{n:02}"), &format!("09:00:{n:02}.001"), Disposition::Missed, None);
            f.around = (0..12).map(second).collect();
        }),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_run_between_two_attempts_waits_for_its_turn() {
    let waits = |error: Option<&str>| {
        asked("it waits", |f| {
            f.around = vec![ran("09:00:00", "09:00:00.012", |run| {
                not_over(run, RunState::Queued);
                (run.not_before, run.error) = (Timestamp::UNIX_EPOCH, error.map(str::to_owned));
            })];
        })
    };
    assert!(waits(None).contains(": its gate let it through; it waits for its turn\n"));
    assert!(
        waits(Some("it is at its budget")).contains(": it had stopped (it is at its budget) and waits for its turn")
    );
}

#[test]
fn where_nothing_was_recorded_it_says_why() {
    let told = all(&[
        asked("there is no slot then", |f| {
            f.at = at("09:30:00");
            f.before = Some(ran("09:00:00", "09:00:00.012", |_| {}));
        }),
        asked("the slot is still to come", |f| (f.at, f.now) = (at("09:00:00"), at("08:00:00"))),
        asked("the slot is not recorded yet", |f| {
            f.now = at("09:00:03");
            f.triggers[0].cursor = at("08:00:00");
            f.triggers[0].jitter = Duration::from_secs(30);
        }),
        asked("the slot was dealt with, and nothing is kept", |_| {}),
        asked("the trigger is younger than its slot", |f| f.triggers[0].activated_at = at("09:00:30")),
        asked("the trigger is much younger", |f| f.triggers[0].activated_at = at("09:30:00")),
        asked("the job is younger", |f| f.revisions[0].at = at("09:30:00")),
        asked("the job has no triggers", |f| f.triggers.clear()),
        asked("the job waits for events", |f| {
            f.triggers = vec![trigger("hook", TriggerKind::Webhook, "", None, at("2026-02-01T12:00:00Z"))];
        }),
        asked("an interval that began yesterday", |f| {
            let begun = at("2026-03-01T12:00:00Z");
            let schedule = IntervalSchedule::new(Duration::from_secs(7200), begun).unwrap();
            f.triggers =
                vec![trigger("often", TriggerKind::Interval, "every 2 h", Some(Schedule::Interval(schedule)), begun)];
            f.at = at("09:30:00");
        }),
        asked("it is disabled, and its file is broken", |f| {
            f.at = at("08:00:00");
            f.revisions.insert(0, revision(2, "cli", at("2026-03-01T12:00:00Z"), false));
            f.revisions.insert(0, revision(3, "file", at("2026-03-01T13:00:00Z"), false));
            f.invalid_edit = Some("line 3, column 5: `triggers[0].cron`: has 2 fields".to_owned());
            f.after = Some(fire("09:00:00", "09:00:00.004", Disposition::Skipped, Some(Reason::Disabled)));
        }),
    ]);
    insta::assert_snapshot!(told);
}
