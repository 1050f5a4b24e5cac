//! The zone half of a cron expression: which instants its wall-clock times are.

use super::calendar::Fields;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, civil::DateTime};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The first instant after `after` of an expression that names times of day: each wall-clock time is exactly one
/// instant, see [`instant`], and later wall-clock times are never earlier instants.
pub(super) fn next_named(fields: &Fields, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    // Everything up to the wall clock's reading lies at or before `after`, in every case.
    let mut from = zone.to_datetime(whole_second(after)?).checked_add(SECOND).ok()?;
    loop {
        let named = fields.first_from(from)?;
        let found = instant(named, zone)?;
        if found > after {
            return Some(found);
        }
        // Second pass through a repeated hour, or slots of a skipped one that are past already.
        from = named.checked_add(SECOND).ok()?;
    }
}

/// The last instant at or before `until`, the mirror of [`next_named`].
pub(super) fn last_named(fields: &Fields, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let second = whole_second(until)?;
    let offset = zone.to_offset(second);
    let clock = offset.to_datetime(second);
    let mut from = match zone.to_ambiguous_timestamp(clock).offset() {
        // Second pass through a repeated hour: all of the first pass is over, also what the clock has yet to repeat.
        AmbiguousOffset::Fold { before, after } if offset == after => clock.checked_add(shift(after, before)).ok()?,
        AmbiguousOffset::Fold { .. } | AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => clock,
    };
    loop {
        let named = fields.last_until(from)?;
        let found = instant(named, zone)?;
        if found <= until {
            return Some(found);
        }
        from = named.checked_sub(SECOND).ok()?;
    }
}

/// The first instant after `after` at which the wall clock shows a time of the expression, repeated hours included.
pub(super) fn next_shown(fields: &Fields, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut from = whole_second(after)?.checked_add(SECOND).ok()?;
    loop {
        // Between two transitions the wall clock is the instant plus a constant.
        let offset = zone.to_offset(from);
        let found = offset.to_timestamp(fields.first_from(offset.to_datetime(from))?).ok()?;
        match zone.following(from).next().map(|transition| transition.timestamp()) {
            Some(end) if found >= end => from = end,
            Some(_) | None => return Some(found),
        }
    }
}

/// The last instant at or before `until`, the mirror of [`next_shown`].
pub(super) fn last_shown(fields: &Fields, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let mut from = whole_second(until)?;
    loop {
        let offset = zone.to_offset(from);
        let found = offset.to_timestamp(fields.last_until(offset.to_datetime(from))?).ok()?;
        let after_from = from.checked_add(SECOND).ok()?;
        match zone.preceding(after_from).next().map(|transition| transition.timestamp()) {
            Some(start) if found < start => from = start.checked_sub(SECOND).ok()?,
            Some(_) | None => return Some(found),
        }
    }
}

/// The one instant of a wall-clock time: the first of two where the clock repeats it, the end of the gap where the
/// clock skips it.
fn instant(clock: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(clock).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(clock).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(clock).ok(),
        AmbiguousOffset::Gap { before, after } => {
            // Read with the offset after the gap, the time lies before the transition; with the other, past it.
            let (early, late) = (after.to_timestamp(clock).ok()?, before.to_timestamp(clock).ok()?);
            let end = zone.following(early).find(|transition| transition.offset() == after)?.timestamp();
            Some(end.min(late))
        }
    }
}

fn shift(from: Offset, to: Offset) -> SignedDuration {
    from.duration_until(to)
}

/// Cron knows no fractions of a second.
fn whole_second(at: Timestamp) -> Option<Timestamp> {
    let fraction = at.as_nanosecond().rem_euclid(1_000_000_000);
    Timestamp::from_nanosecond(at.as_nanosecond() - fraction).ok()
}
