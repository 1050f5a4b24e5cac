//! How many requests a second, as a function of the time that is passed in (the generic cell rate algorithm, GCRA).

use std::time::Duration;

/// A limit: so many a second, and as many at once after a second of rest. It remembers one instant, whatever the limit.
#[derive(Debug, Clone)]
pub struct Rate {
    /// The time that one takes.
    each: Duration,
    /// How far ahead the requests of now may be.
    ahead: Duration,
    /// When those that were let through will have had their time, counted as `now` is.
    used_until: Duration,
}

impl Rate {
    /// So many a second; 0 is taken as 1.
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        let each = Duration::from_secs(1) / count.max(1);
        Self { each, ahead: Duration::from_secs(1).saturating_sub(each), used_until: Duration::ZERO }
    }

    /// Takes one at `now`, counted from any fixed instant.
    ///
    /// # Errors
    /// After how long there will be room for one.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let begins = self.used_until.max(now);
        let too_early = begins.saturating_sub(self.ahead).saturating_sub(now);
        if !too_early.is_zero() {
            return Err(too_early);
        }
        self.used_until = begins + self.each;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_no_more_than_it_may() {
        let mut rate = Rate::per_second(10);
        let ms = Duration::from_millis;
        let mut taken = |now| (0..100).filter(|_| rate.take(now).is_ok()).count();
        assert_eq!(taken(ms(5000)), 10);
        assert_eq!(taken(ms(5000)), 0);
        assert_eq!(taken(ms(5100)), 1);
        assert_eq!(taken(ms(5350)), 2);
        assert_eq!(taken(ms(60_000)), 10);
        assert_eq!(rate.take(ms(60_000)), Err(ms(100)));
        assert_eq!(Rate::per_second(0).take(ms(0)), Ok(()));
    }
}
