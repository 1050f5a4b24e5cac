//! A CPU rate without the kernel's help: a tree that used more than its share stands still until the share has caught up.
//!
//! A tree that stays within its rate is never touched. One that exceeds it is stopped and let go as job control does it -
//! with a control group by its freezer, of which nobody is told; else by SIGSTOP and SIGCONT, of which a parent may be
//! told (`waitpid(2)`, WUNTRACED) and through which a few system calls end early (`signal(7)`).

use super::proc::{self, Sample};
use crate::cgroup::Group;
use crate::runner::tree::{Process, Signal, signal};
use std::collections::HashSet;
use std::time::Duration;

/// Shares are saved up for no longer than this, as in the kernel's own period.
const PERIOD: Duration = Duration::from_millis(100);
/// A pause shorter than this is put off: figures come in clock ticks of 10 ms.
const PAUSE_MIN: Duration = Duration::from_millis(20);
/// So often it is looked for processes that were born while the tree was being stopped.
const STOP_ROUNDS: usize = 8;

/// Holds a tree to its rate.
#[derive(Debug)]
pub struct Throttle {
    /// In thousandths of a core; `None` holds nothing.
    rate: Option<u64>,
    account: Account,
    held: Held,
}

/// How the tree stands still, and until when.
#[derive(Debug)]
enum Held {
    No,
    Frozen(Duration),
    Stopped(Duration, Vec<Process>),
}

/// What a tree may use, and what it has used over that.
#[derive(Debug, Clone, Copy)]
struct Account {
    at: Duration,
    used: Duration,
    /// CPU time it is ahead of its share.
    ahead: Duration,
}

impl Account {
    /// Takes in the CPU time used up to now; returns how long the share needs to catch up.
    fn book(&mut self, now: Duration, used: Duration, rate: u64) -> Duration {
        let rate = f64::from(u32::try_from(rate.max(1)).unwrap_or(u32::MAX)) / 1000.0;
        let share = now.saturating_sub(self.at).mul_f64(rate);
        let spent = self.ahead + used.saturating_sub(self.used);
        // What is left of a share is lost, but for a period's worth: else a tree that slept for an hour could burn for one.
        let saved = PERIOD.mul_f64(rate);
        *self = Self { at: now, used, ahead: spent.saturating_sub(share) };
        let over = self.ahead.saturating_sub(saved);
        if over.is_zero() { Duration::ZERO } else { self.ahead.div_f64(rate) }
    }
}

impl Throttle {
    /// Holds a tree that begins now to `rate`.
    pub fn new(rate: Option<u64>, now: Duration) -> Self {
        Self { rate, account: Account { at: now, used: Duration::ZERO, ahead: Duration::ZERO }, held: Held::No }
    }

    /// When the tree may go on; `None` where it runs.
    pub fn until(&self) -> Option<Duration> {
        match &self.held {
            Held::No => None,
            Held::Frozen(until) | Held::Stopped(until, _) => Some(*until),
        }
    }

    /// Takes in the CPU time used up to now, and stops the tree or lets it go on.
    pub fn look(&mut self, now: Duration, used: Duration, init: i32, group: Option<&Group>) {
        let Some(rate) = self.rate else { return };
        let pause = self.account.book(now, used, rate);
        if pause >= PAUSE_MIN {
            // Also where it stands still already: it used more than was seen, and something may have been born since.
            self.stop(now + pause, init, group);
        } else {
            self.release(group);
        }
    }

    /// Lets the tree go on.
    pub fn release(&mut self, group: Option<&Group>) {
        match std::mem::replace(&mut self.held, Held::No) {
            Held::No => {}
            Held::Frozen(_) => {
                if let Some(group) = group {
                    group.freeze(false);
                }
            }
            Held::Stopped(_, stopped) => {
                for process in &stopped {
                    signal(process, Signal::Continue);
                }
            }
        }
    }

    /// Lets the tree go on for good.
    pub fn give_up(&mut self, group: Option<&Group>) {
        self.release(group);
        self.rate = None;
    }

    fn stop(&mut self, until: Duration, init: i32, group: Option<&Group>) {
        let mut stopped = match std::mem::replace(&mut self.held, Held::No) {
            Held::Stopped(_, stopped) => stopped,
            Held::No | Held::Frozen(_) => Vec::new(),
        };
        self.held = if stopped.is_empty() && group.is_some_and(|group| group.freeze(true)) {
            Held::Frozen(until)
        } else {
            stop_tree(init, &mut stopped);
            Held::Stopped(until, stopped)
        };
    }
}

/// Stops what runs, again and again until nothing was born meanwhile, and adds it to `stopped`. Not the first process of
/// the tree's own pid namespace, which does nothing but reap; and not what stands still by itself, for it is not ours to
/// let it go on.
fn stop_tree(init: i32, stopped: &mut Vec<Process>) {
    let spared = proc::is_init(init).then_some(init);
    let mut known: HashSet<(i32, u64)> = stopped.iter().map(|process| (process.pid, process.started)).collect();
    for _ in 0..STOP_ROUNDS {
        let runs = |sample: &Sample| !sample.zombie && !sample.stopped && Some(sample.pid) != spared;
        let tree = proc::tree().into_iter().filter(runs);
        let new: Vec<Process> =
            tree.filter(|sample| known.insert((sample.pid, sample.started))).map(|sample| sample.process()).collect();
        if new.is_empty() {
            break;
        }
        for process in &new {
            signal(process, Signal::Stop);
        }
        stopped.extend(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn account() -> Account {
        Account { at: ms(1000), used: ms(0), ahead: ms(0) }
    }

    #[test]
    fn within_the_rate_nothing_happens() {
        let mut account = account();
        for step in 1..100 {
            assert_eq!(account.book(ms(1000 + step * 100), ms(step * 50), 500), ms(0), "step {step}");
        }
        assert_eq!(account.book(ms(20_000), ms(5_000), 500), ms(0), "and a pause is no debt");
    }

    #[test]
    fn the_pause_lets_the_share_catch_up() {
        let mut account = account();
        // Two cores for 100 ms at half a core: 150 ms ahead, which half a core has in 300 ms.
        assert_eq!(account.book(ms(1100), ms(200), 500), ms(300));
        assert_eq!(account.book(ms(1400), ms(200), 500), ms(0));
    }

    #[test]
    fn over_any_time_the_rate_is_kept_whatever_the_tree_does() {
        // A busy loop on four cores that is looked at every 100 ms, at 250 thousandths.
        let (mut now, mut used, mut account) = (ms(1000), ms(0), account());
        while now < ms(101_000) {
            (now, used) = (now + ms(100), used + ms(400));
            now += account.book(now, used, 250);
        }
        let rate = used.as_secs_f64() / (now - ms(1000)).as_secs_f64();
        assert!((0.24..0.26).contains(&rate), "{rate}");
    }

    #[test]
    fn what_was_saved_up_is_soon_spent() {
        let mut account = account();
        assert_eq!(account.book(ms(3_601_000), ms(0), 500), ms(0));
        assert!(account.book(ms(3_601_100), ms(200), 500) >= ms(200), "an hour of sleep is worth nothing");
    }
}
