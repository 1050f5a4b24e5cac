//! When a job is due: cron expressions and intervals, their jitter, what is made up for after downtime, and the one
//! function that decides all of it, [`plan::plan`].

pub mod catch_up;
pub mod cron;
pub mod interval;
pub mod jitter;
pub mod plan;

use cron::CronExpr;
use interval::IntervalSchedule;
use jiff::{Timestamp, tz::TimeZone};

/// The slots of one trigger.
#[derive(Debug, Clone, PartialEq)]
pub enum Schedule {
    /// A cron expression, read in a zone.
    Cron {
        /// The expression.
        expr: CronExpr,
        /// The zone its times are in.
        zone: TimeZone,
    },
    /// A fixed interval.
    Interval(IntervalSchedule),
}

impl Schedule {
    /// The first slot strictly after `after`; `None` when it never comes again.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { expr, zone } => expr.next_after(after, zone),
            Self::Interval(interval) => interval.next_after(after),
        }
    }

    /// The last slot at or before `until`.
    #[must_use]
    pub fn last_until(&self, until: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { expr, zone } => expr.last_until(until, zone),
            Self::Interval(interval) => interval.last_until(until),
        }
    }

    /// How many slots lie in `(after, until]`. Those of a cron expression are counted one by one, up to `cap`.
    #[must_use]
    pub fn count(&self, after: Timestamp, until: Timestamp, cap: u64) -> Count {
        match self {
            Self::Interval(interval) => Count { slots: interval.count(after, until), capped: false },
            Self::Cron { expr, zone } => {
                let mut slots = 0;
                let mut at = after;
                while let Some(next) = expr.next_after(at, zone).filter(|next| *next <= until) {
                    if slots == cap {
                        return Count { slots, capped: true };
                    }
                    slots += 1;
                    at = next;
                }
                Count { slots, capped: false }
            }
        }
    }
}

/// A number of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub slots: u64,
    /// Whether counting stopped there: there are more.
    pub capped: bool,
}
