//! Cron expressions: five fields (minute, hour, day of month, month, weekday), or six with seconds first.
//!
//! Names, ranges, lists and steps as in Vixie cron; `L`, `L-3`, `W`, `LW`, `#` and `?` as in Quartz; `@daily` and its
//! like; ranges over the end (`FRI-MON`, `22-6`, `NOV-FEB`). Two restricted day fields widen each other: `0 0 13 * 5`
//! is every 13th and every Friday. A day field is unrestricted only as a bare `*` or `?`.
//!
//! # When the clock changes
//!
//! The rules are those of the crontab manual, which treats jobs that "run at a specific time" apart from those that
//! run at least hourly:
//!
//! * An expression that names **some hours** (`30 2 * * *`, `*/15 1-3 * * *`, `0 */2 * * *`) names times of day. Each
//!   fires exactly once on each day it is named for: right after the gap where the clock skips it (several skipped ones
//!   are one, at that instant), at its first occurrence where the clock repeats it.
//! * An expression that names **every hour** (`*/15 * * * *`, `0 * * * *`) counts elapsed time. It fires whenever the
//!   clock shows a time it names, so an hourly job runs in both passes of a repeated hour, and a skipped hour is not
//!   made up for: nothing was longer ago than usual.
//!
//! # Why not croner as it is
//!
//! A pattern compiled by croner takes 13 us to parse and 6 KB to keep (one byte for each year up to 5000), against a
//! daemon's budget of 2.5 KB per job in all; it calls `0 1,2 * * *` a wildcard job, loses it in a gap and fires it twice
//! in a fold; and its messages name no field. Here an expression is 64 bytes and its text. The tests hold both against
//! each other wherever they mean to agree.

mod calendar;
mod parse;
mod zone;

use calendar::Fields;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// There is nothing there.
    #[error(
        "the cron expression is empty: write minute, hour, day of month, month and weekday, for example `0 9 * * 1-5`"
    )]
    Empty,
    /// It is absurdly long.
    #[error("the cron expression has {length} characters: at most {max} are allowed; use ranges and steps")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The longest allowed.
        max: usize,
    },
    /// Neither five nor six fields.
    #[error(
        "`{expr}` has {found} fields: write five (minute, hour, day of month, month, weekday), or six with seconds first, for example `0 9 * * 1-5`"
    )]
    FieldCount {
        /// The expression, shortened.
        expr: String,
        /// How many fields it has.
        found: usize,
    },
    /// An unknown `@` form.
    #[error(
        "`{name}` is not a cron nickname: allowed are `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly`; a fixed interval is a trigger of its own, `type: interval`"
    )]
    Nickname {
        /// What was written, shortened.
        name: String,
    },
    /// One field is wrong.
    #[error("`{part}` in the {field} field of `{expr}` {problem}: allowed are {allowed}")]
    Field {
        /// The expression, shortened.
        expr: String,
        /// The field's name.
        field: &'static str,
        /// The offending part of the field, shortened.
        part: String,
        /// What is wrong with it.
        problem: String,
        /// What the field may hold.
        allowed: &'static str,
    },
    /// Every field is right and no date fits them.
    #[error(
        "`{expr}` never happens: no month it names has such a day; `L` is a month's last day, for example `0 0 L 2 *`"
    )]
    Never {
        /// The expression, shortened.
        expr: String,
    },
}

/// A valid cron expression, with the text it was written as.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CronExpr {
    text: Box<str>,
    fields: Fields,
}

impl CronExpr {
    /// The expression as it was written, without blanks around it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first slot strictly after `after` in `zone`, always a whole second; `None` when there is none before the
    /// end of year 9999.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.fields.every_hour() {
            zone::next_shown(&self.fields, after, zone)
        } else {
            zone::next_named(&self.fields, after, zone)
        }
    }

    /// The last slot at or before `until` in `zone`; `None` when there is none after the year -9999.
    #[must_use]
    pub fn last_until(&self, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.fields.every_hour() {
            zone::last_shown(&self.fields, until, zone)
        } else {
            zone::last_named(&self.fields, until, zone)
        }
    }
}

impl FromStr for CronExpr {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        Ok(Self { fields: parse::parse(text)?, text: text.into() })
    }
}

impl TryFrom<String> for CronExpr {
    type Error = CronError;

    fn try_from(text: String) -> Result<Self, CronError> {
        text.parse()
    }
}

impl From<CronExpr> for String {
    fn from(expr: CronExpr) -> Self {
        expr.text.into()
    }
}

impl fmt::Display for CronExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

#[cfg(test)]
mod tests;
