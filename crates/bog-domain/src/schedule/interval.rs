//! Fixed intervals: slots at `anchor + k * every`, for `k` from 1. Time zones and clock changes do not touch them.

use jiff::Timestamp;
use std::time::Duration;

/// Why a length of time is no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// Shorter than [`IntervalSchedule::MIN`].
    #[error("an interval of `{0:?}` is too short: at least 0.1 seconds are allowed, for example `seconds: 1800`")]
    TooShort(Duration),
    /// Longer than [`IntervalSchedule::MAX`].
    #[error(
        "an interval of `{0:?}` is too long: at most 366 days (31622400 seconds) are allowed; use a cron trigger like `0 9 1 1 *`"
    )]
    TooLong(Duration),
}

/// Slots at a fixed distance from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntervalSchedule {
    every: Duration,
    anchor: Timestamp,
}

impl IntervalSchedule {
    /// The shortest interval. Every slot is a commit to disk and a process.
    pub const MIN: Duration = Duration::from_millis(100);
    /// The longest interval: more is a slip of the keyboard.
    pub const MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

    /// Slots `every` so long after `anchor`, which is itself none: it is when the trigger was activated.
    ///
    /// # Errors
    /// When `every` is outside [`Self::MIN`]`..=`[`Self::MAX`].
    pub fn new(every: Duration, anchor: Timestamp) -> Result<Self, IntervalError> {
        if every < Self::MIN {
            Err(IntervalError::TooShort(every))
        } else if every > Self::MAX {
            Err(IntervalError::TooLong(every))
        } else {
            Ok(Self { every, anchor })
        }
    }

    /// The distance between two slots.
    #[must_use]
    pub const fn every(&self) -> Duration {
        self.every
    }

    /// Where the slots are counted from.
    #[must_use]
    pub const fn anchor(&self) -> Timestamp {
        self.anchor
    }

    /// The first slot strictly after `after`.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.slot(self.index(after).max(0).checked_add(1)?)
    }

    /// The last slot at or before `until`.
    #[must_use]
    pub fn last_until(&self, until: Timestamp) -> Option<Timestamp> {
        let index = self.index(until);
        if index >= 1 { self.slot(index) } else { None }
    }

    /// How many slots lie in `(after, until]`.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp) -> u64 {
        let slots = self.index(until).max(0) - self.index(after).max(0);
        u64::try_from(slots).unwrap_or(0)
    }

    /// The number of the last slot at or before `at`; 0 and less are none.
    fn index(&self, at: Timestamp) -> i128 {
        (at.as_nanosecond() - self.anchor.as_nanosecond()).div_euclid(self.step())
    }

    fn slot(&self, index: i128) -> Option<Timestamp> {
        let since = index.checked_mul(self.step())?;
        Timestamp::from_nanosecond(self.anchor.as_nanosecond().checked_add(since)?).ok()
    }

    fn step(&self) -> i128 {
        i128::try_from(self.every.as_nanos()).unwrap_or(i128::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn every(seconds: f64) -> IntervalSchedule {
        IntervalSchedule::new(Duration::from_secs_f64(seconds), at("2026-01-01T00:00:00Z")).unwrap()
    }

    #[test]
    fn slots_count_from_the_anchor() {
        let half_hour = every(1800.0);
        assert_eq!(half_hour.next_after(half_hour.anchor()), Some(at("2026-01-01T00:30:00Z")));
        assert_eq!(half_hour.next_after(at("2026-01-01T00:30:00Z")), Some(at("2026-01-01T01:00:00Z")));
        assert_eq!(half_hour.next_after(at("2020-01-01T00:00:00Z")), Some(at("2026-01-01T00:30:00Z")));
        assert_eq!(half_hour.last_until(at("2026-01-01T00:29:59Z")), None);
        assert_eq!(half_hour.last_until(at("2026-01-01T00:59:59Z")), Some(at("2026-01-01T00:30:00Z")));
        assert_eq!(every(0.25).next_after(at("2026-01-01T00:00:00.3Z")), Some(at("2026-01-01T00:00:00.5Z")));
    }

    #[test]
    fn centuries_are_no_loop() {
        let fast = every(0.1);
        assert_eq!(fast.count(fast.anchor(), at("2126-01-01T00:00:00Z")), 36_524 * 86_400 * 10);
        assert_eq!(fast.last_until(at("2126-01-01T00:00:00.05Z")), Some(at("2126-01-01T00:00:00Z")));
        assert_eq!(fast.next_after(Timestamp::MAX), None);
    }

    #[test]
    fn bounds_are_named() {
        let error =
            |seconds| IntervalSchedule::new(Duration::from_secs_f64(seconds), Timestamp::UNIX_EPOCH).unwrap_err();
        insta::assert_snapshot!(format!("{}\n{}\n{}", error(0.0), error(0.099), error(4e9)));
    }

    proptest! {
        #[test]
        fn counting_is_walking(step in 100_u64..5_000, after in -20_000_i64..20_000, length in 0_i64..20_000) {
            let schedule = IntervalSchedule::new(Duration::from_millis(step), Timestamp::UNIX_EPOCH).unwrap();
            let (from, until) = (Timestamp::from_millisecond(after).unwrap(), Timestamp::from_millisecond(after + length).unwrap());
            let mut walked = Vec::new();
            let mut at = from;
            while let Some(next) = schedule.next_after(at).filter(|next| *next <= until) {
                prop_assert!(next > at);
                walked.push(next);
                at = next;
            }
            prop_assert_eq!(schedule.count(from, until), walked.len() as u64);
            if let Some(last) = walked.last() {
                prop_assert_eq!(schedule.last_until(until), Some(*last));
            }
        }
    }
}
