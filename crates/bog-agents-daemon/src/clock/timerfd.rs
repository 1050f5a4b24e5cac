//! A wall-clock timer on Linux: `timerfd` on `CLOCK_REALTIME` with cancel-on-set (timerfd_create(2)), which also wakes
//! when the clock is stepped.

use jiff::Timestamp;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Far enough away to stand for "never": the timer must be armed to notice that the clock was set.
const NEVER_SECONDS: i64 = 1 << 40;

pub(super) async fn sleep_after(seen: Timestamp, deadline: Option<Timestamp>) -> io::Result<()> {
    let timer = TimerFd::new(ClockId::CLOCK_REALTIME, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
    let at = deadline.map_or(TimeSpec::new(NEVER_SECONDS, 0), |deadline| {
        // A deadline of zero would disarm the timer; one in the past fires at once.
        TimeSpec::new(deadline.as_second().max(0), i64::from(deadline.subsec_nanosecond()).max(1))
    });
    let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
    timer.set(Expiration::OneShot(at), flags)?;
    if super::now() < seen {
        return Ok(());
    }
    let timer = watched(timer.into())?;
    let mut expirations = [0; 8];
    loop {
        let mut ready = timer.readable().await?;
        match nix::unistd::read(timer.get_ref(), &mut expirations) {
            // ECANCELED: the clock was set.
            Ok(_) | Err(Errno::ECANCELED) => return Ok(()),
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(error) => return Err(error.into()),
        }
    }
}

#[expect(deprecated, reason = "unsound only for types that may change their descriptor; the replacement is `unsafe`")]
fn watched(timer: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(timer, Interest::READABLE)
}
