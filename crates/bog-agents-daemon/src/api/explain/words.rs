//! Times and durations as people say them.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::Duration;

/// Says times of one zone, leaving out the day of the time that was asked about.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    zone: TimeZone,
    day: jiff::civil::Date,
}

impl Clock {
    pub(super) fn new(zone: TimeZone, at: Timestamp) -> Self {
        let day = zone.to_datetime(at).date();
        Self { zone, day }
    }

    /// To the second.
    pub(super) fn at(&self, at: Timestamp) -> String {
        let whole = at.subsec_nanosecond() == 0;
        self.say(at, if whole { "%T" } else { "%T%.3f" })
    }

    /// The day and the zone, by which the times are to be read.
    pub(super) fn basis(&self) -> String {
        format!("times are in {}, of {} where no day is given", zone_name(&self.zone), self.day)
    }

    fn say(&self, at: Timestamp, time: &str) -> String {
        let local = at.to_zoned(self.zone.clone());
        let same_day = local.date() == self.day;
        let format = if same_day { time.to_owned() } else { format!("%F {time}") };
        local.strftime(&format).to_string()
    }
}

/// The name of a zone.
pub(super) fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// A duration in its two largest units.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    if seconds < 60 {
        let text = format!("{:.3}", span.as_secs_f64());
        return format!("{} s", text.trim_end_matches('0').trim_end_matches('.'));
    }
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let said = parts.iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
    said.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

/// The time from one instant to a later one.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    span(to.duration_since(from).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        let said: Vec<String> = [0, 12, 3_200, 59_999, 60_000, 3_600_000, 90_061_000, 864_000_000]
            .map(|ms| span(Duration::from_millis(ms)))
            .to_vec();
        assert_eq!(said, ["0 s", "0.012 s", "3.2 s", "59.999 s", "1 min", "1 h", "1 d 1 h", "10 d"]);
    }
}
