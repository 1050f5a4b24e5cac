//! The text of a cron expression to bit sets, and what to say when it is none.

use super::CronError;
use super::calendar::{Fields, MonthDays, WeekDays};

/// Longest expression taken; a list of all 60 seconds has 169 characters.
const MAX_LENGTH: usize = 1000;

/// One of the six fields: its range and how it is named to people.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Three-letter names, the first standing for `names_from`.
    names: &'static [&'static str],
    names_from: u32,
    /// Whether a range may run over the end, as `FRI-MON` and `22-6` do. Not where people would sooner have mistyped.
    wraps: bool,
    allowed: &'static str,
}

const SECOND: Field = Field {
    name: "second",
    min: 0,
    max: 59,
    names: &[],
    names_from: 0,
    wraps: false,
    allowed: "`*`, 0-59, ranges like `10-20`, lists like `0,30` and steps like `*/15`",
};
const MINUTE: Field = Field { name: "minute", ..SECOND };
const HOUR: Field = Field {
    name: "hour",
    max: 23,
    wraps: true,
    allowed: "`*`, 0-23, ranges like `9-17`, lists like `6,18` and steps like `*/2`",
    ..SECOND
};
const MONTH_DAY: Field = Field {
    name: "day of month",
    min: 1,
    max: 31,
    allowed: "`*`, 1-31, ranges, lists, steps, `L` (last day), `L-3` (three days before it), `15W` (working day nearest the 15th) and `LW` (last working day)",
    ..SECOND
};
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    names_from: 1,
    wraps: true,
    allowed: "`*`, 1-12, `JAN`-`DEC`, ranges like `NOV-FEB`, lists and steps like `*/3`",
};
const WEEK_DAY: Field = Field {
    name: "weekday",
    min: 0,
    max: 7,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
    names_from: 0,
    wraps: true,
    allowed: "`*`, 0-7 (0 and 7 are Sunday), `MON`-`SUN`, ranges like `FRI-MON`, lists, steps, `MON#2` (second Monday) and `FRIL` (last Friday)",
};

const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Parses an expression whose surrounding blanks are gone.
pub(super) fn parse(expr: &str) -> Result<Fields, CronError> {
    if expr.is_empty() {
        return Err(CronError::Empty);
    }
    if expr.len() > MAX_LENGTH {
        return Err(CronError::TooLong { length: expr.len(), max: MAX_LENGTH });
    }
    let fields = if expr.starts_with('@') {
        let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(expr));
        let (_, meaning) = known.ok_or_else(|| CronError::Nickname { name: excerpt(expr) })?;
        parse_fields(meaning)?
    } else {
        parse_fields(expr)?
    };
    if fields.ever() { Ok(fields) } else { Err(CronError::Never { expr: excerpt(expr) }) }
}

fn parse_fields(expr: &str) -> Result<Fields, CronError> {
    let parts: Vec<&str> = expr.split_whitespace().collect();
    let (second, rest) = match parts.len() {
        5 => ("0", &parts[..]),
        6 => (parts[0], &parts[1..]),
        found => return Err(CronError::FieldCount { expr: excerpt(expr), found }),
    };
    let bits = |field: &Field, text: &str| {
        let all = || text.split(',').map(|part| values(field, part).map_err(|problem| (part, problem)));
        let union = all().try_fold(0, |union, bits| bits.map(|bits| union | bits));
        union.map_err(|(part, problem)| bad(expr, field, part, problem))
    };
    Ok(Fields {
        seconds: bits(&SECOND, second)?,
        minutes: bits(&MINUTE, rest[0])?,
        hours: narrow(bits(&HOUR, rest[1])?),
        months: u16::try_from(bits(&MONTH, rest[3])?).unwrap_or(0),
        month_days: month_days(rest[2]).map_err(|(part, problem)| bad(expr, &MONTH_DAY, part, problem))?,
        week_days: week_days(rest[4]).map_err(|(part, problem)| bad(expr, &WEEK_DAY, part, problem))?,
    })
}

fn month_days(text: &str) -> Result<MonthDays, (&str, String)> {
    let mut days = MonthDays { any: is_any(text), ..MonthDays::default() };
    if days.any {
        return Ok(days);
    }
    for part in text.split(',') {
        let fail = |problem| (part, problem);
        let upper = part.to_ascii_uppercase();
        if upper == "L" {
            days.before_last |= 1;
        } else if upper == "LW" {
            days.last_working = true;
        } else if let Some(gap) = upper.strip_prefix("L-") {
            let gap = gap.parse::<u32>().ok().filter(|gap| (1..=30).contains(gap));
            days.before_last |= 1 << gap.ok_or_else(|| fail("must leave 1 to 30 days before the last".to_owned()))?;
        } else if let Some(day) = upper.strip_suffix('W') {
            days.nearest |= 1 << value(&MONTH_DAY, day).map_err(fail)?;
        } else {
            days.on |= narrow(values(&MONTH_DAY, part).map_err(fail)?);
        }
    }
    Ok(days)
}

fn week_days(text: &str) -> Result<WeekDays, (&str, String)> {
    let mut days = WeekDays { any: is_any(text), ..WeekDays::default() };
    if days.any {
        return Ok(days);
    }
    for part in text.split(',') {
        let fail = |problem| (part, problem);
        let upper = part.to_ascii_uppercase();
        if upper == "L" {
            return Err(fail("does not say which weekday, write `FRIL` for the last Friday".to_owned()));
        }
        let last = upper.strip_suffix("#L").or_else(|| upper.strip_suffix('L'));
        if let Some(day) = last {
            days.last |= week_bits(values(&WEEK_DAY, day).map_err(fail)?);
        } else if let Some((day, nth)) = upper.split_once('#') {
            let index = nth.parse::<usize>().ok().filter(|nth| (1..=5).contains(nth));
            let index = index.ok_or_else(|| fail("must count from `#1` to `#5`".to_owned()))? - 1;
            days.nth[index] |= week_bits(values(&WEEK_DAY, day).map_err(fail)?);
        } else {
            days.on |= week_bits(values(&WEEK_DAY, part).map_err(fail)?);
        }
    }
    Ok(days)
}

fn is_any(text: &str) -> bool {
    text == "*" || text == "?"
}

/// The values of `*`, `5`, `1-5`, `*/2` or `1-31/2`, as bits.
fn values(field: &Field, part: &str) -> Result<u64, String> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let stepped = match step.map(|step| digits(step).filter(|step| *step > 0)) {
        None => 1,
        Some(Some(step)) => step,
        Some(None) => return Err("has a step that is no number from 1 up".to_owned()),
    };
    let (start, end) = if range == "*" {
        (field.min, field.top())
    } else if let Some((start, end)) = range.split_once('-') {
        (value(field, start)?, value(field, end)?)
    } else {
        let only = value(field, range)?;
        if let Some(step) = step {
            return Err(format!("has a step but no range, write `{only}-{}/{step}`", field.top()));
        }
        (only, only)
    };
    let count = field.top() - field.min + 1;
    let end = match (start <= end, field.wraps) {
        (true, _) => end,
        (false, true) => end + count,
        (false, false) => {
            let (top, min) = (field.top(), field.min);
            return Err(format!("is a range that runs backwards, write `{start}-{top},{min}-{end}` if you mean that"));
        }
    };
    let step = usize::try_from(stepped).unwrap_or(usize::MAX);
    Ok((start..=end).step_by(step).fold(0, |bits, value| bits | 1 << ((value - field.min) % count + field.min)))
}

impl Field {
    /// The highest distinct value: 7 is a second name of Sunday.
    fn top(&self) -> u32 {
        if self.max == 7 { 6 } else { self.max }
    }
}

/// One number or name.
fn value(field: &Field, text: &str) -> Result<u32, String> {
    let named = || field.names.iter().zip(field.names_from..).find(|(name, _)| name.eq_ignore_ascii_case(text));
    if let Some((_, value)) = named() {
        return Ok(value);
    }
    let value = digits(text).ok_or_else(|| "is not understood".to_owned())?;
    if (field.min..=field.max).contains(&value) { Ok(value) } else { Err("is out of range".to_owned()) }
}

/// A plain decimal; `parse` alone would take a `+` too.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn narrow(bits: u64) -> u32 {
    u32::try_from(bits).unwrap_or(0)
}

fn week_bits(bits: u64) -> u8 {
    u8::try_from(bits).unwrap_or(0)
}

fn bad(expr: &str, field: &Field, part: &str, problem: String) -> CronError {
    let (field, allowed) = (field.name, field.allowed);
    CronError::Field { expr: excerpt(expr), field, part: excerpt(part), problem, allowed }
}

/// Enough of a text to recognise it in a message.
fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}
