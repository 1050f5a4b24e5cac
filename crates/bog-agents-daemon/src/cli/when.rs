//! Times and lengths of time for people: local time with its zone, and back.

use bog_domain::units::Span;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The zone people here live in; UTC where the system does not say.
#[must_use]
pub fn zone() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// `2026-11-23 09:00:00 CET`.
#[must_use]
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// `in 7h 5m`, `3m ago`, `now`.
#[must_use]
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let ahead = at.duration_since(now);
    let words = duration(ahead);
    if ahead.abs() < SignedDuration::from_secs(1) {
        "now".to_owned()
    } else if ahead.is_positive() {
        format!("in {words}")
    } else {
        format!("{words} ago")
    }
}

/// The two largest units of a length of time: `2d 3h`, `4m 5s`, `12s`, `350ms`. Its sign is left out.
#[must_use]
pub fn duration(length: SignedDuration) -> String {
    let length = length.unsigned_abs();
    if length < Duration::from_secs(1) {
        return format!("{}ms", length.as_millis());
    }
    let seconds = length.as_secs();
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = units[first..].iter().take(2).filter(|(count, _)| *count > 0);
    shown.map(|(count, unit)| format!("{count}{unit}")).collect::<Vec<_>>().join(" ")
}

/// A moment as people write it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// With a zone or an offset.
    Exact(Timestamp),
    /// By the clock on the wall.
    Civil(DateTime),
    /// Today at.
    Today(Time),
    /// So long ago.
    Ago(Duration),
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(at) = text.parse() {
            return Ok(Self::Exact(at));
        }
        if let Ok(zoned) = text.parse::<jiff::Zoned>() {
            return Ok(Self::Exact(zoned.timestamp()));
        }
        if let Ok(time) = text.parse::<Time>() {
            return Ok(Self::Today(time));
        }
        if let Ok(civil) = text.parse() {
            return Ok(Self::Civil(civil));
        }
        let span = text.strip_suffix("ago").unwrap_or(text).trim();
        // A bare number would be anything: seconds ago, an hour, a year.
        let length = span.ends_with(|c: char| c.is_ascii_alphabetic()).then(|| span.parse::<Span>());
        if let Some(Ok(length)) = length {
            return Ok(Self::Ago(length.duration()));
        }
        Err(format!(
            "`{text}` is not a time: write `2026-11-23 09:00`, `09:00` (today), `2h` (ago), or RFC 3339 as in \
             `2026-11-23T09:00:00Z`"
        ))
    }
}

impl Moment {
    /// The instant it means. A time that the clocks skipped is the one just after the gap.
    ///
    /// # Errors
    /// When it lies beyond what can be counted.
    pub fn instant(self, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        match self {
            Self::Exact(at) => Ok(at),
            Self::Civil(civil) => Ok(civil.to_zoned(zone.clone())?.timestamp()),
            Self::Today(time) => Ok(now.to_zoned(zone.clone()).with().time(time).build()?.timestamp()),
            Self::Ago(length) => now.checked_sub(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_local_and_name_their_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(local(at("2026-11-23T08:00:00Z"), &berlin), "2026-11-23 09:00:00 CET");
        assert_eq!(local(at("2026-07-23T08:00:00Z"), &berlin), "2026-07-23 10:00:00 CEST");
    }

    #[test]
    fn lengths_show_their_two_largest_units() {
        let shown = |millis| duration(SignedDuration::from_millis(millis));
        assert_eq!(shown(0), "0ms");
        assert_eq!(shown(350), "350ms");
        assert_eq!(shown(12_900), "12s");
        assert_eq!(shown(245_000), "4m 5s");
        assert_eq!(shown(3_600_000), "1h");
        assert_eq!(shown(183_600_000), "2d 3h");
        assert_eq!(shown(86_405_000), "1d");
        let now = at("2026-11-23T08:00:00Z");
        assert_eq!(distance(at("2026-11-23T15:05:00Z"), now), "in 7h 5m");
        assert_eq!(distance(at("2026-11-23T07:57:00Z"), now), "3m ago");
        assert_eq!(distance(now, now), "now");
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now = at("2026-11-23T12:00:00Z");
        let read = |text: &str| text.parse::<Moment>().unwrap().instant(now, &zone).unwrap().to_string();
        assert_eq!(read("2026-11-23T09:00:00Z"), "2026-11-23T09:00:00Z");
        assert_eq!(read("2026-11-23T09:00:00+01:00"), "2026-11-23T08:00:00Z");
        assert_eq!(read("2026-11-23 09:00"), "2026-11-23T08:00:00Z");
        assert_eq!(read("2026-11-20"), "2026-11-19T23:00:00Z");
        assert_eq!(read("09:30"), "2026-11-23T08:30:00Z");
        assert_eq!(read("2h"), "2026-11-23T10:00:00Z");
        assert_eq!(read("1h 30m ago"), "2026-11-23T10:30:00Z");
        for wrong in ["", "yesterday", "-2h", "25:00", "7"] {
            assert!(wrong.parse::<Moment>().is_err(), "{wrong}");
        }
    }
}
