//! The one file that reads the wall clock, and what is made from it: ids, and a timer on wall-clock time.
//!
//! The timer is never a monotonic sleep: a deadline at 09:00 is at 09:00 by the clock on the wall, whatever was set,
//! stepped or suspended in between.

#[cfg(feature = "failpoints")]
mod injected;
#[cfg(target_os = "linux")]
mod timerfd;

use jiff::Timestamp;
use rand::RngExt;
use uuid::Uuid;

/// Now, by the wall clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the file that reads the wall clock")]
pub fn now() -> Timestamp {
    #[cfg(feature = "failpoints")]
    if let Some(shift) = injected::shift() {
        return Timestamp::now() + shift;
    }
    Timestamp::now()
}

/// A new id: a UUIDv7 of now.
#[must_use]
pub fn new_id() -> Uuid {
    let now = now();
    let seconds = now.as_second().unsigned_abs();
    let nanoseconds = now.subsec_nanosecond().unsigned_abs();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}

/// The machine's IANA time zone; `UTC` where it has none.
#[must_use]
pub fn zone_name() -> String {
    jiff::tz::TimeZone::system().iana_name().unwrap_or("UTC").to_owned()
}

/// When the day of an instant began in a zone.
#[must_use]
pub fn day_began(at: Timestamp, zone: &jiff::tz::TimeZone) -> Timestamp {
    at.to_zoned(zone.clone()).start_of_day().map_or(at, |start| start.timestamp())
}

/// A uniform draw from `0.0..1.0`, for jitter.
#[must_use]
pub fn roll() -> f64 {
    rand::rng().random()
}

/// Sleeps until the wall clock shows `deadline`, or is set, or wakes from suspend: the caller looks again either way.
/// `None` sleeps until the clock is set.
pub async fn sleep_until(deadline: Option<Timestamp>) {
    sleep_after(now(), deadline).await;
}

/// As [`sleep_until`], for a caller that decided by a time it has `seen`: returns at once where the clock was set back
/// since then. The timer is armed first and the clock looked at after, so that no step falls between the two.
pub async fn sleep_after(seen: Timestamp, deadline: Option<Timestamp>) {
    #[cfg(feature = "failpoints")]
    if injected::sleep_after(seen, deadline).await {
        return;
    }
    #[cfg(target_os = "linux")]
    match timerfd::sleep_after(seen, deadline).await {
        Ok(()) => return,
        Err(error) => tracing::warn!(%error, "no wall-clock timer: looking at the clock every 15 s instead"),
    }
    poll_until(deadline).await;
}

/// Where there is no wall-clock timer, looks at least every 15 s.
async fn poll_until(deadline: Option<Timestamp>) {
    let most = std::time::Duration::from_secs(15);
    let left = deadline.map_or(most, |deadline| deadline.duration_since(now()).try_into().unwrap_or_default());
    tokio::time::sleep(left.min(most)).await;
}

/// Names one start of the machine: what ran under another is gone. Empty where it cannot be known.
#[must_use]
pub fn boot_id() -> String {
    #[cfg(feature = "failpoints")]
    if let Some(boot) = crate::env::var("BOG_TEST_BOOT_ID") {
        return boot;
    }
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
