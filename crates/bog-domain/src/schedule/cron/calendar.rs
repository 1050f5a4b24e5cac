//! The calendar half of a cron expression: which wall-clock times it names, in no zone at all.

use jiff::civil::{Date, DateTime};

/// No pattern that ever happens pauses for longer: 29 February on a given weekday comes back within 40 years.
const HORIZON_MONTHS: u32 = 60 * 12;

/// A cron expression as bit sets, 48 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Fields {
    pub seconds: u64,
    pub minutes: u64,
    pub hours: u32,
    pub months: u16,
    pub month_days: MonthDays,
    pub week_days: WeekDays,
}

/// The day-of-month field. A day is bit `day`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct MonthDays {
    /// `*` or `?`: the field says nothing.
    pub any: bool,
    pub on: u32,
    /// `15W`: the working day nearest to it, within the month.
    pub nearest: u32,
    /// `L` is bit 0, `L-3` is bit 3.
    pub before_last: u32,
    /// `LW`: the month's last working day.
    pub last_working: bool,
}

/// The weekday field. Sunday is bit 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct WeekDays {
    /// `*` or `?`: the field says nothing.
    pub any: bool,
    pub on: u8,
    /// `MON#2` is Monday's bit in `nth[1]`.
    pub nth: [u8; 5],
    /// `FRIL`: the month's last of that weekday.
    pub last: u8,
}

/// One month, with what the day fields need to know of it.
#[derive(Clone, Copy)]
struct Month {
    year: i16,
    month: i8,
    length: u32,
    /// Weekday of its first day, Sunday 0.
    starts_on: u32,
}

impl Month {
    fn of(year: i16, month: i8) -> Option<Self> {
        let first = Date::new(year, month, 1).ok()?;
        let length = u32::from(first.days_in_month().unsigned_abs());
        Some(Self { year, month, length, starts_on: u32::from(first.weekday().to_sunday_zero_offset().unsigned_abs()) })
    }

    fn next(self) -> Option<Self> {
        if self.month == 12 { Self::of(self.year.checked_add(1)?, 1) } else { Self::of(self.year, self.month + 1) }
    }

    fn previous(self) -> Option<Self> {
        if self.month == 1 { Self::of(self.year.checked_sub(1)?, 12) } else { Self::of(self.year, self.month - 1) }
    }

    fn weekday(self, day: u32) -> u32 {
        (self.starts_on + day - 1) % 7
    }

    fn day(self, day: u32) -> Option<Date> {
        Date::new(self.year, self.month, i8::try_from(day).ok()?).ok()
    }

    /// The working day nearest to `day`, never leaving the month.
    fn nearest_working(self, day: u32) -> u32 {
        match self.weekday(day) {
            6 if day > 1 => day - 1,
            6 => day + 2,
            0 if day < self.length => day + 1,
            0 => day - 2,
            _ => day,
        }
    }
}

impl MonthDays {
    fn matches(&self, month: Month, day: u32) -> bool {
        let nearest = || (1..=month.length).any(|d| self.nearest >> d & 1 == 1 && month.nearest_working(d) == day);
        self.on >> day & 1 == 1
            || self.before_last >> (month.length - day) & 1 == 1
            || self.nearest != 0 && nearest()
            || self.last_working && month.nearest_working(month.length) == day
    }
}

impl WeekDays {
    fn matches(&self, month: Month, day: u32) -> bool {
        let bit = 1 << month.weekday(day);
        let nth = self.nth[(day as usize - 1) / 7];
        self.on & bit != 0 || nth & bit != 0 || self.last & bit != 0 && day + 7 > month.length
    }
}

impl Fields {
    /// Whether every hour is named: such an expression counts elapsed time rather than naming times of day.
    pub fn every_hour(&self) -> bool {
        self.hours == (1 << 24) - 1
    }

    /// Whether any date at all is named.
    pub fn ever(&self) -> bool {
        self.first_from(Date::constant(2000, 1, 1).at(0, 0, 0, 0)).is_some()
    }

    /// The first named time at or after `from`, which has no fraction of a second.
    pub fn first_from(&self, from: DateTime) -> Option<DateTime> {
        let today = Month::of(from.year(), from.month())?;
        let day = u32::from(from.day().unsigned_abs());
        if self.names_day(today, day)
            && let Some(found) = self.time_from(from)
        {
            return Some(found);
        }
        let date = self.day_from(today, day + 1)?;
        let time = (self.hours.trailing_zeros(), self.minutes.trailing_zeros(), self.seconds.trailing_zeros());
        at(date, time)
    }

    /// The last named time at or before `until`, which has no fraction of a second.
    pub fn last_until(&self, until: DateTime) -> Option<DateTime> {
        let today = Month::of(until.year(), until.month())?;
        let day = u32::from(until.day().unsigned_abs());
        if self.names_day(today, day)
            && let Some(found) = self.time_until(until)
        {
            return Some(found);
        }
        let date = self.day_until(today, day - 1)?;
        let time = (self.hours.ilog2(), self.minutes.ilog2(), self.seconds.ilog2());
        at(date, time)
    }

    /// Two restricted day fields widen each other, as in every cron since System V.
    fn names_day(&self, month: Month, day: u32) -> bool {
        self.months >> month.month & 1 == 1
            && match (self.month_days.any, self.week_days.any) {
                (true, true) => true,
                (true, false) => self.week_days.matches(month, day),
                (false, true) => self.month_days.matches(month, day),
                (false, false) => self.month_days.matches(month, day) || self.week_days.matches(month, day),
            }
    }

    fn day_from(&self, mut month: Month, mut day: u32) -> Option<Date> {
        for _ in 0..HORIZON_MONTHS {
            if self.months >> month.month & 1 == 1
                && let Some(found) = (day..=month.length).find(|day| self.names_day(month, *day))
            {
                return month.day(found);
            }
            month = month.next()?;
            day = 1;
        }
        None
    }

    fn day_until(&self, mut month: Month, mut day: u32) -> Option<Date> {
        for _ in 0..HORIZON_MONTHS {
            if self.months >> month.month & 1 == 1
                && let Some(found) = (1..=day).rev().find(|day| self.names_day(month, *day))
            {
                return month.day(found);
            }
            month = month.previous()?;
            day = month.length;
        }
        None
    }

    fn time_from(&self, from: DateTime) -> Option<DateTime> {
        let (hour, minute, second) = clock(from);
        let (hours, first_minute, first_second) =
            (u64::from(self.hours), self.minutes.trailing_zeros(), self.seconds.trailing_zeros());
        if hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = lowest_from(self.seconds, second)
            {
                return at(from.date(), (hour, minute, second));
            }
            if let Some(minute) = lowest_from(self.minutes, minute + 1) {
                return at(from.date(), (hour, minute, first_second));
            }
        }
        at(from.date(), (lowest_from(hours, hour + 1)?, first_minute, first_second))
    }

    fn time_until(&self, until: DateTime) -> Option<DateTime> {
        let (hour, minute, second) = clock(until);
        let (hours, last_minute, last_second) = (u64::from(self.hours), self.minutes.ilog2(), self.seconds.ilog2());
        if hours >> hour & 1 == 1 {
            if self.minutes >> minute & 1 == 1
                && let Some(second) = highest_below(self.seconds, second + 1)
            {
                return at(until.date(), (hour, minute, second));
            }
            if let Some(minute) = highest_below(self.minutes, minute) {
                return at(until.date(), (hour, minute, last_second));
            }
        }
        at(until.date(), (highest_below(hours, hour)?, last_minute, last_second))
    }
}

fn clock(time: DateTime) -> (u32, u32, u32) {
    let part = |n: i8| u32::from(n.unsigned_abs());
    (part(time.hour()), part(time.minute()), part(time.second()))
}

fn at(date: Date, (hour, minute, second): (u32, u32, u32)) -> Option<DateTime> {
    let part = |n: u32| i8::try_from(n).ok();
    Some(date.at(part(hour)?, part(minute)?, part(second)?, 0))
}

/// The lowest bit at `from` or above; `from` is at most 60.
fn lowest_from(bits: u64, from: u32) -> Option<u32> {
    let rest = bits >> from << from;
    (rest != 0).then(|| rest.trailing_zeros())
}

/// The highest bit below `limit`, which is at most 60.
fn highest_below(bits: u64, limit: u32) -> Option<u32> {
    (bits & ((1 << limit) - 1)).checked_ilog2()
}
