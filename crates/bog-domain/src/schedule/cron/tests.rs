use super::*;
use jiff::SignedDuration;
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn expr(text: &str) -> CronExpr {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The slots after a wall-clock time in a zone, as local times with their offsets.
fn slots(text: &str, name: &str, after: &str, count: usize) -> Vec<String> {
    let zone = zone(name);
    let after: jiff::civil::DateTime = after.parse().unwrap();
    let mut at = zone.to_timestamp(after).unwrap();
    let mut found = Vec::new();
    for _ in 0..count {
        at = expr(text).next_after(at, &zone).unwrap();
        found.push(at.to_zoned(zone.clone()).strftime("%m-%d %H:%M %:z").to_string());
        assert_eq!(expr(text).last_until(at, &zone), Some(at), "{text} does not find {at} backwards");
    }
    found
}

#[test]
fn clock_changes() {
    const BERLIN: &str = "Europe/Berlin";
    const LORD_HOWE: &str = "Australia/Lord_Howe";
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // Berlin skips 02:00-03:00 on 29 March 2026 and repeats it on 25 October.
        ("30 2 * * *", BERLIN, "2026-03-28 00:00", &["03-28 02:30 +01:00", "03-29 03:00 +02:00", "03-30 02:30 +02:00"]),
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", &["10-25 02:30 +02:00", "10-26 02:30 +01:00"]),
        ("0 3 * * *", BERLIN, "2026-03-28 12:00", &["03-29 03:00 +02:00", "03-30 03:00 +02:00"]),
        // Skipped slots and the first real one after the gap are one.
        (
            "*/20 1-3 * * *",
            BERLIN,
            "2026-03-29 01:30",
            &["03-29 01:40 +01:00", "03-29 03:00 +02:00", "03-29 03:20 +02:00"],
        ),
        ("0 */2 * * *", BERLIN, "2026-03-29 00:30", &["03-29 03:00 +02:00", "03-29 04:00 +02:00"]),
        (
            "0 1,2 * * *",
            BERLIN,
            "2026-10-25 00:00",
            &["10-25 01:00 +02:00", "10-25 02:00 +02:00", "10-26 01:00 +01:00"],
        ),
        (
            "*/30 2 * * *",
            BERLIN,
            "2026-10-25 00:00",
            &["10-25 02:00 +02:00", "10-25 02:30 +02:00", "10-26 02:00 +01:00"],
        ),
        // Every hour: by elapsed time.
        ("0 * * * *", BERLIN, "2026-10-25 01:00", &["10-25 02:00 +02:00", "10-25 02:00 +01:00", "10-25 03:00 +01:00"]),
        (
            "0 0-23 * * *",
            BERLIN,
            "2026-03-29 00:30",
            &["03-29 01:00 +01:00", "03-29 03:00 +02:00", "03-29 04:00 +02:00"],
        ),
        ("15 * * * *", BERLIN, "2026-03-29 01:00", &["03-29 01:15 +01:00", "03-29 03:15 +02:00"]),
        (
            "*/30 * * * *",
            BERLIN,
            "2026-10-25 01:45",
            &[
                "10-25 02:00 +02:00",
                "10-25 02:30 +02:00",
                "10-25 02:00 +01:00",
                "10-25 02:30 +01:00",
                "10-25 03:00 +01:00",
            ],
        ),
        ("30 2 * * *", "America/New_York", "2026-03-07 12:00", &["03-08 03:00 -04:00", "03-09 02:30 -04:00"]),
        ("30 1 * * *", "America/New_York", "2026-10-31 12:00", &["11-01 01:30 -04:00", "11-02 01:30 -05:00"]),
        // Lord Howe shifts by 30 minutes: 02:00-02:30 is skipped on 4 October 2026, 01:30-02:00 repeated on 5 April.
        ("15 2 * * *", LORD_HOWE, "2026-10-03 12:00", &["10-04 02:30 +11:00", "10-05 02:15 +11:00"]),
        ("45 1 * * *", LORD_HOWE, "2026-04-04 12:00", &["04-05 01:45 +11:00", "04-06 01:45 +10:30"]),
        (
            "45 * * * *",
            LORD_HOWE,
            "2026-04-05 01:00",
            &["04-05 01:45 +11:00", "04-05 01:45 +10:30", "04-05 02:45 +10:30"],
        ),
        // Sao Paulo skipped midnight of 4 November 2018: the day began at 01:00.
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-03 12:00", &["11-04 01:00 -02:00", "11-05 00:00 -02:00"]),
        ("30 0 4 11 *", "America/Sao_Paulo", "2018-11-03 12:00", &["11-04 01:00 -02:00"]),
        ("@daily", "America/Sao_Paulo", "2018-02-17 12:00", &["02-18 00:00 -03:00", "02-19 00:00 -03:00"]),
        ("30 23 * * *", "America/Sao_Paulo", "2018-02-17 12:00", &["02-17 23:30 -02:00", "02-18 23:30 -03:00"]),
        // Samoa skipped the whole of 30 December 2011.
        (
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-29 00:00",
            &["12-29 09:00 -10:00", "12-31 00:00 +14:00", "12-31 09:00 +14:00"],
        ),
        ("30 2 * * *", "Asia/Kolkata", "2026-03-28 12:00", &["03-29 02:30 +05:30", "03-30 02:30 +05:30"]),
    ];
    for (text, name, after, expected) in cases {
        assert_eq!(slots(text, name, after, expected.len()), *expected, "{text} in {name} after {after}");
    }
}

#[test]
fn the_second_pass_through_a_repeated_hour_is_past() {
    let berlin = zone("Europe/Berlin");
    let second_pass: Timestamp = "2026-10-25T02:10:00+01:00".parse().unwrap();
    let daily = expr("30 2 * * *");
    assert_eq!(daily.next_after(second_pass, &berlin), "2026-10-26T02:30:00+01:00".parse().ok());
    assert_eq!(daily.last_until(second_pass, &berlin), "2026-10-25T02:30:00+02:00".parse().ok());
}

#[test]
fn calendar() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("0 9 * * 1-5", "2026-01-02 12:00", &["01-05", "01-06"]),
        ("0 9 * * FRI-MON", "2026-01-01 00:00", &["01-02", "01-03", "01-04", "01-05", "01-09"]),
        ("0 9 * * sat-sun", "2026-01-01 00:00", &["01-03", "01-04", "01-10"]),
        ("0 9 * * 7", "2026-01-01 00:00", &["01-04", "01-11"]),
        ("0 9 * * 5-7", "2026-01-01 00:00", &["01-02", "01-03", "01-04", "01-09"]),
        ("0 9 * * 0-7", "2026-01-01 00:00", &["01-01", "01-02"]),
        ("0 9 13 * 5", "2026-01-01 00:00", &["01-02", "01-09", "01-13", "01-16"]),
        ("0 9 L * *", "2026-01-15 00:00", &["01-31", "02-28", "03-31"]),
        ("0 9 L-3 * ?", "2026-01-15 00:00", &["01-28", "02-25", "03-28"]),
        ("0 9 LW * *", "2026-01-15 00:00", &["01-30", "02-27", "03-31"]),
        ("0 9 1W,15W * *", "2026-01-20 00:00", &["02-02", "02-16", "03-02", "03-16"]),
        ("0 9 31W * *", "2026-01-31 00:00", &["03-31", "05-29"]),
        ("0 9 * * MON#2", "2026-01-01 00:00", &["01-12", "02-09"]),
        ("0 9 * * TUE#5", "2026-01-01 00:00", &["03-31", "06-30"]),
        ("0 9 * * FRIL", "2026-01-01 00:00", &["01-30", "02-27"]),
        ("0 9 * * 5#L", "2026-01-01 00:00", &["01-30", "02-27"]),
        ("0 9 1 NOV-FEB *", "2026-01-15 00:00", &["02-01", "11-01", "12-01", "01-01"]),
        ("0 9 29 2 *", "2026-01-01 00:00", &["02-29", "02-29"]),
        ("0 9 */10 * *", "2026-01-15 00:00", &["01-21", "01-31", "02-01"]),
        ("@yearly", "2026-01-15 00:00", &["01-01"]),
        ("@ANNUALLY", "2026-01-15 00:00", &["01-01"]),
        ("@monthly", "2026-01-15 00:00", &["02-01"]),
        ("@weekly", "2026-01-15 00:00", &["01-18"]),
        ("@midnight", "2026-01-15 00:00", &["01-16"]),
    ];
    for (text, after, expected) in cases {
        let found = slots(text, "UTC", after, expected.len());
        let days: Vec<&str> = found.iter().map(|slot| &slot[..5]).collect();
        assert_eq!(days, *expected, "{text} after {after}");
    }
}

#[test]
fn hours_and_seconds() {
    let day = |text| slots(text, "UTC", "2026-01-01 21:00", 3);
    assert_eq!(day("0 22-1 * * *"), ["01-01 22:00 +00:00", "01-01 23:00 +00:00", "01-02 00:00 +00:00"]);
    assert_eq!(day("@hourly"), ["01-01 22:00 +00:00", "01-01 23:00 +00:00", "01-02 00:00 +00:00"]);
    let seconds = expr("*/20 * * * * *");
    let at: Timestamp = "2026-01-01T00:00:40.5Z".parse().unwrap();
    assert_eq!(seconds.next_after(at, &TimeZone::UTC), "2026-01-01T00:01:00Z".parse().ok());
    assert_eq!(seconds.last_until(at, &TimeZone::UTC), "2026-01-01T00:00:40Z".parse().ok());
}

#[test]
fn leap_years_are_waited_for_and_the_end_of_time_is_an_answer() {
    let at: Timestamp = "2096-03-01T00:00:00Z".parse().unwrap();
    assert_eq!(expr("0 0 29 2 *").next_after(at, &TimeZone::UTC), "2104-02-29T00:00:00Z".parse().ok());
    assert_eq!(expr("0 0 29 2 *").next_after(Timestamp::MAX, &TimeZone::UTC), None);
    assert_eq!(expr("* * * * *").last_until(Timestamp::MIN, &TimeZone::UTC), None);
}

#[test]
fn errors_say_what_to_write() {
    let long = "1,".repeat(600);
    let bad = [
        "",
        " ",
        "* * * *",
        "0 0 1 1 * 2026 *",
        "@reboot",
        "@every 5m",
        "61 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "* * * * MONDAY",
        "5/15 * * * *",
        "*/0 * * * *",
        "/5 * * * *",
        "50-10 * * * *",
        "1,,2 * * * *",
        "+5 * * * *",
        "? * * * *",
        "* * L-0 * *",
        "* * 15-16W * *",
        "* * * * L",
        "* * * * MON#6",
        "H * * * *",
        "0 0 30 2 *",
        "0 0 31 4,6 *",
        "0 0 31W 2 *",
        &long,
    ];
    let said: Vec<String> = bad
        .iter()
        .map(|text| text.parse::<CronExpr>().map_or_else(|error| error.to_string(), |expr| panic!("took {expr}")))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn keeps_its_text() {
    let daily: CronExpr = serde_json::from_str("\" 0  9 * * mon-fri \"").unwrap();
    assert_eq!(daily.to_string(), "0  9 * * mon-fri");
    assert_eq!(serde_json::to_string(&daily).unwrap(), "\"0  9 * * mon-fri\"");
    assert!(serde_json::from_str::<CronExpr>("\"0 9\"").is_err());
    assert_eq!(size_of::<CronExpr>(), 64, "ten thousand of them count");
}

/// A plain expression with its meaning kept beside it, for the oracle below.
#[derive(Debug, Clone)]
struct Plain {
    text: String,
    minutes: Vec<i8>,
    hours: Vec<i8>,
    weekdays: Vec<i8>,
}

impl Plain {
    fn shows(&self, clock: jiff::civil::DateTime) -> bool {
        self.minutes.contains(&clock.minute())
            && self.hours.contains(&clock.hour())
            && self.weekdays.contains(&clock.weekday().to_sunday_zero_offset())
    }

    /// Every slot in `from..=until`, minute by minute: the clock is watched, and nothing is computed from rules.
    fn oracle(&self, from: Timestamp, until: Timestamp, zone: &TimeZone) -> Vec<Timestamp> {
        let minute = SignedDuration::from_mins(1);
        let elapsed = self.hours.len() == 24;
        let mut slots = Vec::new();
        // Begun two days early, so that what the clock has shown is known.
        let mut at = from - SignedDuration::from_hours(48);
        let mut shown = zone.to_datetime(at - minute);
        while at <= until {
            let clock = zone.to_datetime(at);
            let mut due = self.shows(clock) && (elapsed || clock > shown);
            let mut skipped = shown + minute;
            while !elapsed && skipped < clock {
                due |= self.shows(skipped);
                skipped += minute;
            }
            if due && at >= from {
                slots.push(at);
            }
            shown = shown.max(clock);
            at += minute;
        }
        slots
    }
}

fn list(max: i8) -> impl Strategy<Value = (String, Vec<i8>)> {
    let some = proptest::collection::btree_set(0..=max, 1..4).prop_map(|set| {
        let text: Vec<String> = set.iter().map(i8::to_string).collect();
        (text.join(","), set.into_iter().collect())
    });
    let stepped = (1..=max / 2).prop_map(move |step| {
        let step_by = usize::try_from(step).unwrap();
        (format!("*/{step}"), (0..=max).step_by(step_by).collect())
    });
    let range =
        (0..=max, 0..=max).prop_map(|(a, b)| (format!("{}-{}", a.min(b), a.max(b)), (a.min(b)..=a.max(b)).collect()));
    prop_oneof![some, stepped, range, Just(("*".to_owned(), (0..=max).collect()))]
}

fn plain() -> impl Strategy<Value = Plain> {
    (list(59), list(23), list(6)).prop_map(|(minutes, hours, weekdays)| Plain {
        text: format!("{} {} * * {}", minutes.0, hours.0, weekdays.0),
        minutes: minutes.1,
        hours: hours.1,
        weekdays: weekdays.1,
    })
}

/// Days around a change of the clock, in zones that differ in how they change it.
const CHANGES: [(&str, &str); 10] = [
    ("Europe/Berlin", "2026-03-29"),
    ("Europe/Berlin", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("Pacific/Apia", "2011-12-31"),
    ("Asia/Kolkata", "2026-03-29"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn agrees_with_watching_the_clock(plain in plain(), change in 0..CHANGES.len()) {
        let (name, day) = CHANGES[change];
        let zone = zone(name);
        let day: jiff::civil::Date = day.parse().unwrap();
        let noon = zone.to_timestamp(day.at(12, 0, 0, 0)).unwrap();
        let (from, until) = (noon - SignedDuration::from_hours(40), noon + SignedDuration::from_hours(40));
        let expected = plain.oracle(from, until, &zone);
        let expr = expr(&plain.text);

        let mut forward = Vec::new();
        let mut at = from - SignedDuration::from_secs(1);
        while let Some(next) = expr.next_after(at, &zone).filter(|next| *next <= until) {
            prop_assert!(next > at, "{next} again after {at}");
            forward.push(next);
            at = next;
        }
        prop_assert_eq!(&forward, &expected, "forward: {} in {}", &plain.text, name);

        let mut backward = Vec::new();
        let mut at = until;
        while let Some(last) = expr.last_until(at, &zone).filter(|last| *last >= from) {
            backward.push(last);
            at = last - SignedDuration::from_nanos(1);
        }
        backward.reverse();
        prop_assert_eq!(&backward, &expected, "backward: {} in {}", &plain.text, name);
    }

    #[test]
    fn agrees_with_croner_where_no_clock_changes(
        seconds in "[0-5]?[0-9]|\\*/[1-9]",
        days in "\\*|L|LW|1?[1-9]W|[12]?[1-9](-2[89])?|\\*/[2-9]|1,15",
        months in "\\*|1?[0-2]|[1-4]-[5-9]|\\*/[2-5]|JAN,MAY",
        weekdays in "\\*|[0-7]|MON-FRI|TUE#[1-5]|[0-6]L|SAT,SUN|[0-3]-[4-7]",
        start in 0_i64..4_000_000_000,
    ) {
        let text = format!("{seconds} 7,30 5-6 {days} {months} {weekdays}");
        let (Ok(ours), Ok(theirs)) = (text.parse::<CronExpr>(), text.parse::<croner::Cron>()) else {
            return Ok(());
        };
        let mut at = TimeZone::UTC.to_datetime(Timestamp::from_second(start).unwrap());
        for _ in 0..20 {
            let expected = theirs.find_next_occurrence(&at, false).unwrap();
            let found = ours.next_after(at.to_zoned(TimeZone::UTC).unwrap().timestamp(), &TimeZone::UTC);
            prop_assert_eq!(found.map(|found| TimeZone::UTC.to_datetime(found)), Some(expected), "{} after {}", text, at);
            at = expected;
        }
    }
}
