//! What a run may consume.

use crate::error::SpecError;
use crate::spec::JobSpec;
use crate::units::Span;
use std::time::Duration;

/// What a run may consume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long an attempt may take.
    pub wall_clock: Duration,
    /// Bytes of output that are kept.
    pub output_bytes: u64,
    /// Time between TERM and KILL when an attempt is ended.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wall_clock: Duration::from_secs(30 * 60), output_bytes: 1 << 20, grace: Duration::from_secs(10) }
    }
}

/// The longest wall-clock limit that is taken.
const MAX_WALL_CLOCK: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The most output that is kept: it is held in memory and in the database.
const MAX_OUTPUT: u64 = 64 << 20;

impl Limits {
    pub(super) fn parse(spec: &JobSpec, defaults: &Self) -> Result<Self, SpecError> {
        let written = spec.limits.unwrap_or_default();
        let flat = spec.features.as_ref().and_then(|features| features.wall_clock_seconds);
        let flat = flat.map(|seconds| positive("features.wall_clock_seconds", seconds)).transpose()?;
        let wall_clock = written.wall_clock.map(Span::duration).or(flat).unwrap_or(defaults.wall_clock);
        if wall_clock.is_zero() || wall_clock > MAX_WALL_CLOCK {
            return Err(SpecError::new("limits.wall_clock", "out of range: more than `0s` and at most `30d`"));
        }
        let output_bytes = written.output.map_or(defaults.output_bytes, crate::units::ByteSize::bytes);
        if output_bytes > MAX_OUTPUT {
            return Err(SpecError::new("limits.output", "too large: at most `64MiB` of output are kept"));
        }
        for (field, number) in [("limits.cpu", written.cpu), ("limits.cpu_seconds", written.cpu_seconds)] {
            number.map(|number| positive(field, number)).transpose()?;
        }
        let grace = written.grace.map_or(defaults.grace, Span::duration);
        Ok(Self { wall_clock, output_bytes, grace })
    }
}

fn positive(field: &str, number: f64) -> Result<Duration, SpecError> {
    Duration::try_from_secs_f64(number)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| SpecError::new(field, format!("`{number}` is out of range: more than 0")))
}
