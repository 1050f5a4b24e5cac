//! A clock that tests can set: the file named by `BOG_TEST_CLOCK` holds a number of milliseconds added to the real
//! time. Compiled out of releases.

use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

fn read() -> Option<i64> {
    let file = crate::env::var("BOG_TEST_CLOCK")?;
    Some(std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0))
}

/// How far the clock is off, if it is injected.
pub(super) fn shift() -> Option<SignedDuration> {
    read().map(SignedDuration::from_millis)
}

/// Sleeps until the injected clock shows the deadline or is set, also if it was set back since `seen`; `false` at once
/// where the clock is the real one.
pub(super) async fn sleep_after(seen: Timestamp, deadline: Option<Timestamp>) -> bool {
    let Some(begun) = read() else { return false };
    if super::now() < seen {
        return true;
    }
    while read() == Some(begun) && deadline.is_none_or(|deadline| super::now() < deadline) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}
