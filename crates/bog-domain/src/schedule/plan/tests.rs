use super::*;
use crate::ids::{JobUid, TriggerId};
use crate::schedule::interval::IntervalSchedule;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use std::time::Instant;
use uuid::Uuid;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A time of 1 June 2026, UTC.
fn day(clock: &str) -> Timestamp {
    at(&format!("2026-06-01T{clock}Z"))
}

fn cron(text: &str) -> Schedule {
    Schedule::Cron { expr: text.parse().unwrap(), zone: TimeZone::UTC }
}

fn catch_up(policy: CatchUpPolicy) -> CatchUp {
    CatchUp { policy, ..CatchUp::default() }
}

fn run(schedule: &Schedule, cursor: Timestamp, now: Timestamp, policy: CatchUpPolicy) -> Plan {
    jittered(schedule, cursor, now, &catch_up(policy), Duration::ZERO)
}

fn jittered(schedule: &Schedule, cursor: Timestamp, now: Timestamp, catch_up: &CatchUp, max: Duration) -> Plan {
    let trigger = TriggerId::new("cron-1");
    let jitter = Jitter { job: JobUid::new(Uuid::from_u128(1)), trigger: &trigger, max };
    plan(schedule, cursor, now, catch_up, &jitter)
}

/// One line per fire and per missed range, then the cursor and the next look.
fn told(plan: &Plan) -> Vec<String> {
    let clock = |at: Timestamp| at.strftime("%H:%M:%S").to_string();
    let fires = plan.fires.iter().map(|fire| {
        let how = if fire.caught_up { "catch up" } else { "on time" };
        format!("{how} {} for {}", clock(fire.due_at), fire.scheduled_count)
    });
    let missed = plan.missed.iter().map(|range| {
        let more = if range.count_capped { "+" } else { "" };
        format!("missed {}-{} {}{more} {}", clock(range.from), clock(range.until), range.count, range.reason)
    });
    let next = plan.next_at.map_or("never".to_owned(), clock);
    fires.chain(missed).chain([format!("cursor {} next {next}", clock(plan.cursor))]).collect()
}

#[test]
fn policies() {
    use CatchUpPolicy::{All, None, Once};
    let hourly = cron("0 * * * *");
    let cases: &[(&str, &str, CatchUpPolicy, &[&str])] = &[
        // Nothing due, and a wakeup before its time.
        ("09:00:00", "09:59:59", Once, &["cursor 09:00:00 next 10:00:00"]),
        // On time, by a little and by a lot, whatever the policy.
        ("09:00:00", "10:00:00", None, &["on time 10:00:00 for 1", "cursor 10:00:00 next 11:00:00"]),
        ("09:00:00", "10:01:00", None, &["on time 10:00:00 for 1", "cursor 10:00:00 next 11:00:00"]),
        // Late.
        ("09:00:00", "10:01:01", None, &["missed 10:00:00-10:00:00 1 catch_up", "cursor 10:00:00 next 11:00:00"]),
        ("09:00:00", "10:01:01", Once, &["catch up 10:00:00 for 1", "cursor 10:00:00 next 11:00:00"]),
        ("09:00:00", "10:01:01", All, &["catch up 10:00:00 for 1", "cursor 10:00:00 next 11:00:00"]),
        ("06:00:00", "10:30:00", None, &["missed 07:00:00-10:00:00 4 catch_up", "cursor 10:00:00 next 11:00:00"]),
        (
            "06:00:00",
            "10:30:00",
            Once,
            &["catch up 10:00:00 for 4", "missed 07:00:00-09:00:00 3 catch_up", "cursor 10:00:00 next 11:00:00"],
        ),
        (
            "08:00:00",
            "10:30:00",
            All,
            &["catch up 09:00:00 for 1", "catch up 10:00:00 for 1", "cursor 10:00:00 next 11:00:00"],
        ),
        // An on-time slot makes up for the late ones under `once`, and comes after them under `all`.
        (
            "07:00:00",
            "10:00:30",
            Once,
            &["on time 10:00:00 for 3", "missed 08:00:00-09:00:00 2 catch_up", "cursor 10:00:00 next 11:00:00"],
        ),
        (
            "08:00:00",
            "10:00:30",
            All,
            &["catch up 09:00:00 for 1", "on time 10:00:00 for 1", "cursor 10:00:00 next 11:00:00"],
        ),
        (
            "08:00:00",
            "10:00:30",
            None,
            &["on time 10:00:00 for 1", "missed 09:00:00-09:00:00 1 catch_up", "cursor 10:00:00 next 11:00:00"],
        ),
    ];
    for (cursor, now, policy, expected) in cases {
        let plan = run(&hourly, day(cursor), day(now), *policy);
        assert_eq!(told(&plan), *expected, "{policy} from {cursor} to {now}");
        assert!(!plan.rewound);
    }
}

#[test]
fn the_window_ends_what_is_made_up_for() {
    let hourly = cron("0 * * * *");
    let two_hours = |policy| CatchUp { policy, window: Duration::from_secs(2 * 3600) };
    let plan = |policy, now| told(&jittered(&hourly, day("04:00:00"), day(now), &two_hours(policy), Duration::ZERO));
    assert_eq!(
        plan(CatchUpPolicy::Once, "10:30:00"),
        [
            "catch up 10:00:00 for 2",
            "missed 05:00:00-08:00:00 4 outside catch-up window",
            "missed 09:00:00-09:00:00 1 catch_up",
            "cursor 10:00:00 next 11:00:00"
        ]
    );
    assert_eq!(
        plan(CatchUpPolicy::All, "10:00:00"),
        [
            "catch up 08:00:00 for 1",
            "catch up 09:00:00 for 1",
            "on time 10:00:00 for 1",
            "missed 05:00:00-07:00:00 3 outside catch-up window",
            "cursor 10:00:00 next 11:00:00"
        ],
        "a slot exactly as old as the window is inside"
    );
    let yearly = cron("@yearly");
    let late =
        jittered(&yearly, day("00:00:00"), at("2027-01-03T00:00:00Z"), &catch_up(CatchUpPolicy::Once), Duration::ZERO);
    assert_eq!(late.fires, []);
    assert_eq!(late.missed[0].reason, Reason::OutsideWindow);
    let nothing = CatchUp { policy: CatchUpPolicy::Once, window: Duration::ZERO };
    let on_time = jittered(&hourly, day("09:00:00"), day("10:00:30"), &nothing, Duration::ZERO);
    assert_eq!(told(&on_time), ["on time 10:00:00 for 1", "cursor 10:00:00 next 11:00:00"]);
}

#[test]
fn a_busy_machine_does_not_miss_the_seconds() {
    let every_second = cron("* * * * * *");
    let plan = run(&every_second, day("10:00:00"), day("10:00:04"), CatchUpPolicy::None);
    assert_eq!(plan.fires.len(), 4);
    assert_eq!(plan.missed, []);
    let plan = run(&every_second, day("10:00:00"), day("10:00:10"), CatchUpPolicy::None);
    assert_eq!((plan.fires.len(), plan.missed[0].count), (6, 4));
}

#[test]
fn all_is_paced() {
    let minutely = cron("* * * * *");
    let now = day("10:30:10");
    let mut cursor = day("05:00:00");
    let mut due = Vec::new();
    let mut plans = 0;
    loop {
        let plan = run(&minutely, cursor, now, CatchUpPolicy::All);
        plans += 1;
        due.extend(plan.fires.iter().map(|fire| fire.due_at));
        cursor = plan.cursor;
        assert_eq!(plan.missed, []);
        if plan.next_at != Some(now + signed(PACE)) {
            break;
        }
        assert_eq!(plan.fires.len(), BATCH);
    }
    assert_eq!((due.len(), plans), (330, 4));
    assert!(due.is_sorted());
    assert_eq!(due.last(), Some(&day("10:30:00")));
}

#[test]
fn small_steps_back_wait_and_large_ones_are_believed() {
    let hourly = cron("0 * * * *");
    let back = run(&hourly, day("10:00:00"), day("07:00:01"), CatchUpPolicy::Once);
    assert_eq!(told(&back), ["cursor 10:00:00 next 11:00:00"]);
    assert!(!back.rewound);
    let back = run(&hourly, day("10:00:00"), day("06:59:30"), CatchUpPolicy::Once);
    assert_eq!(told(&back), ["cursor 06:59:30 next 07:00:00"], "nothing fires again by the step itself");
    assert!(back.rewound);
    // A machine that came up in 2099 and was put right.
    let back = run(&hourly, at("2099-01-01T00:00:00Z"), day("10:30:00"), CatchUpPolicy::All);
    assert_eq!(told(&back), ["cursor 10:30:00 next 11:00:00"]);
}

#[test]
fn jitter_moves_the_taking_and_not_the_slot() {
    let hourly = cron("0 * * * *");
    let ten_minutes = Duration::from_secs(600);
    let plan = |now| jittered(&hourly, day("09:00:00"), now, &catch_up(CatchUpPolicy::None), ten_minutes);
    let taken_at = plan(day("09:30:00")).next_at.unwrap();
    assert!(taken_at > day("10:00:00") && taken_at < day("10:10:00"), "{taken_at}");
    let early = plan(taken_at - SignedDuration::from_nanos(1));
    assert_eq!((early.fires.len(), early.cursor, early.next_at), (0, day("09:00:00"), Some(taken_at)));
    let on_time = plan(taken_at + SignedDuration::from_secs(59));
    assert_eq!((on_time.fires[0].due_at, on_time.fires[0].caught_up), (day("10:00:00"), false));
    assert_eq!(plan(taken_at + SignedDuration::from_secs(61)).fires, []);
}

#[test]
fn a_schedule_ends() {
    let end = at("9999-12-30T00:00:00Z");
    let plan = run(&cron("0 0 29 2 *"), end, end, CatchUpPolicy::Once);
    assert_eq!(plan.next_at, None);
}

#[test]
fn long_outages_are_planned_at_once() {
    let (down, up) = (at("2025-06-01T00:00:00Z"), at("2026-06-01T00:00:00.5Z"));
    for policy in CatchUpPolicy::ALL {
        let begun = Instant::now();
        let plan = run(&cron("* * * * * *"), down, up, policy);
        let took = begun.elapsed();
        assert!(plan.missed.iter().any(|range| range.count == COUNT_CAP && range.count_capped), "{policy}: {plan:?}");
        // Walking all 31 million slots takes far longer; the bound leaves room for a slow, busy machine.
        assert!(took < Duration::from_secs(2), "{policy} took {took:?}");
    }
    let fast = IntervalSchedule::new(IntervalSchedule::MIN, down).unwrap();
    let plan = run(&Schedule::Interval(fast), down, up, CatchUpPolicy::None);
    assert_eq!(plan.missed[0].count + plan.fires.len() as u64, (365 * 86_400 * 10) + 5);
    assert!(!plan.missed[0].count_capped);
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let every = |millis: u64| IntervalSchedule::new(Duration::from_millis(millis), day("00:00:00.123")).unwrap();
    prop_oneof![
        (700_u64..40_000).prop_map(move |millis| Schedule::Interval(every(millis))),
        prop::sample::select(vec!["*/7 * * * * *", "* * * * *", "*/3 9-11 * * *", "0 * * * *"]).prop_map(cron),
    ]
}

proptest! {
    /// Whatever the wakeups, every slot is dealt with exactly once, in order, and nothing is planned twice.
    #[test]
    fn every_slot_is_dealt_with_once(
        schedule in schedules(),
        policy in prop::sample::select(CatchUpPolicy::ALL.to_vec()),
        window in prop::sample::select(vec![0_u64, 30, 600, 86_400]),
        jitter in prop::sample::select(vec![0_u64, 2, 300]),
        sleeps in prop::collection::vec(prop_oneof![Just(0_i64), 1_i64..90_000, 60_000_i64..2_000_000], 1..12),
    ) {
        let start = day("09:00:00");
        let catch_up = CatchUp { policy, window: Duration::from_secs(window) };
        let (mut cursor, mut now) = (start, start);
        let mut dealt = 0;
        for sleep in sleeps {
            now += SignedDuration::from_millis(sleep);
            let plan = jittered(&schedule, cursor, now, &catch_up, Duration::from_secs(jitter));
            let mut spans: Vec<(Timestamp, Timestamp, u64)> = plan.missed.iter().map(|m| (m.from, m.until, m.count)).collect();
            spans.extend(plan.fires.iter().map(|fire| (fire.due_at, fire.due_at, 1)));
            spans.sort();
            for (from, until, count) in spans {
                prop_assert_eq!(schedule.next_after(cursor), Some(from), "a slot was left out or dealt with twice");
                prop_assert_eq!(schedule.count(cursor, until, u64::MAX).slots, count);
                cursor = until;
                dealt += count;
            }
            prop_assert_eq!(plan.cursor, cursor);
            prop_assert!(plan.next_at.is_none_or(|next| next > now), "it would spin");
            prop_assert!(plan.fires.iter().all(|fire| fire.due_at <= now));
            prop_assert!(policy != CatchUpPolicy::Once || plan.fires.iter().filter(|fire| fire.caught_up).count() <= 1);
        }
        prop_assert_eq!(schedule.count(start, cursor, u64::MAX).slots, dealt);
    }
}
