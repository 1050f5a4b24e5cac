//! Quantities as people write them: `30m`, `1h 30m`, `2GiB`.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time written as text (`10s`, `1h 30m`, `250ms`) or as a number of seconds.
///
/// The text form is jiff's "friendly" duration format, restricted to units of fixed length (no months or years). A
/// day is 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

impl Span {
    /// Wraps a duration.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// The duration itself.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint =
            || format!("`{text}` is not a duration: write a number with a unit, for example `30s`, `10m`, `1h 30m`");
        if let Ok(seconds) = text.trim().parse::<f64>() {
            return Self::from_seconds(seconds).ok_or_else(hint);
        }
        let span: jiff::Span = text.trim().parse().map_err(|_| hint())?;
        let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| hint())?;
        Duration::try_from(signed).map(Self).map_err(|_| format!("`{text}` is negative: durations begin at `0s`"))
    }
}

impl Span {
    fn from_seconds(seconds: f64) -> Option<Self> {
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = jiff::SignedDuration::try_from(self.0).unwrap_or(jiff::SignedDuration::MAX);
        write!(f, "{signed:#}")
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `30s` or `1h 30m`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Span, E> {
                Span::from_seconds(seconds)
                    .ok_or_else(|| E::custom(format!("`{seconds}` is no length of time in seconds")))
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
                Ok(Span(Duration::from_secs(seconds)))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Span, E> {
                let negative = |_| E::custom(format!("`{seconds}` is negative: durations begin at `0s`"));
                u64::try_from(seconds).map_err(negative).and_then(|seconds| self.visit_u64(seconds))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A number of bytes, written as text (`2GiB`, `500 MB`, `1MiB`) or as a plain number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(u64);

const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// Wraps a number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a size: write whole bytes or a number with a unit, for example `512KiB`, `1MiB`, `2GiB`"
            )
        };
        let text_trimmed = text.trim();
        let split = text_trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(text_trimmed.len());
        let (number, unit) = text_trimmed.split_at(split);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = unit.trim();
        let factor = BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
        let factor = if unit.is_empty() { Some(1) } else { factor };
        factor.and_then(|factor| number.checked_mul(factor)).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = BYTE_UNITS.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        let (name, factor) = unit.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / factor)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `512KiB` or `2GiB`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                let negative = |_| E::custom(format!("`{bytes}` is negative: sizes begin at `0B`"));
                u64::try_from(bytes).map(ByteSize).map_err(negative)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_write() {
        let span = |text: &str| text.parse::<Span>().map(|s| s.duration());
        assert_eq!(span("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(span("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(span("7d"), Ok(Duration::from_secs(7 * 86400)));
        assert_eq!(span("2.5"), Ok(Duration::from_millis(2500)));
        for bad in ["", "soon", "-5s", "1 month"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        for text in ["30m", "1h 30m", "10s", "250ms"] {
            let again: Span = text.parse::<Span>().unwrap().to_string().parse().unwrap();
            assert_eq!(again, text.parse().unwrap());
        }
        let signed = |seconds: i64| Span::deserialize(de::value::I64Deserializer::<de::value::Error>::new(seconds));
        assert_eq!(signed(5).unwrap().duration(), Duration::from_secs(5));
        assert!(signed(-5).is_err());
        assert_eq!(serde_json::from_str::<Span>("1.5").unwrap().duration(), Duration::from_millis(1500));
    }

    #[test]
    fn sizes_read_and_write() {
        let size = |text: &str| text.parse::<ByteSize>().map(ByteSize::bytes);
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("500 MB"), Ok(500_000_000));
        assert_eq!(size("17"), Ok(17));
        for bad in ["", "GiB", "1.5GiB", "-1", "99999999999GiB", "1 parsec"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        let signed = |bytes: i64| ByteSize::deserialize(de::value::I64Deserializer::<de::value::Error>::new(bytes));
        assert_eq!(signed(5).unwrap().bytes(), 5);
        assert!(signed(-5).is_err());
        assert_eq!(ByteSize::new(1 << 20).to_string(), "1MiB");
        assert_eq!(ByteSize::new(1025).to_string(), "1025B");
    }
}
