//! How often a tree is looked at: several times a second while it does something, less often while it does not, and never
//! so often that looking at it is work.

use std::time::Duration;

/// The time until the first look. From there it doubles: much of what goes wrong goes wrong at once.
const FIRST: Duration = Duration::from_millis(10);
/// The time between two looks at a tree that works.
const SHORTEST: Duration = Duration::from_millis(100);
/// The time between two looks at one that is idle, or huge.
const LONGEST: Duration = Duration::from_millis(500);
/// A look is followed by so many times what it took of the processor: at most one per cent of a core, but for trees where
/// one look takes more than 5 ms.
const REST: u32 = 100;

/// The pace of looks.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    next: Duration,
}

impl Pace {
    /// A pace that begins now.
    pub fn new(now: Duration) -> Self {
        Self { interval: FIRST, next: now + FIRST }
    }

    /// When the next look is due.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// A look was done just now, at this cost.
    pub fn looked(&mut self, now: Duration, cost: Duration, is_busy: bool) {
        let longer = self.interval * 2;
        let wanted = if is_busy { longer.min(SHORTEST) } else { longer };
        self.interval = wanted.max(cost * REST).min(LONGEST);
        self.next = now + self.interval;
    }

    /// Nothing is to be seen before `until`: the next look is then, and exactly then if that is not long.
    pub fn put_off(&mut self, now: Duration, until: Duration) {
        self.next = until.min(now + LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_slows_down_for_idle_and_for_huge_trees_and_is_quick_again() {
        let ms = Duration::from_millis;
        let mut pace = Pace::new(ms(1000));
        assert_eq!(pace.next(), ms(1010));
        let mut intervals = Vec::new();
        let looks = [(100, true), (100, true), (100, false), (100, true), (100, false), (100, false), (100, false)];
        for (cost_us, is_busy) in looks.into_iter().chain([(100, true), (3_000, true)]) {
            pace.looked(ms(2000), Duration::from_micros(cost_us), is_busy);
            intervals.push((pace.next() - ms(2000)).as_millis());
        }
        assert_eq!(intervals, [20, 40, 80, 100, 200, 400, 500, 100, 300]);
        pace.looked(ms(2000), Duration::from_secs(1), true);
        assert_eq!(pace.next(), ms(2500));
    }
}
