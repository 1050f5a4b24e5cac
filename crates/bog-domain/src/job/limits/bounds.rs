//! One value for each limit, all in one unit: what a job, a default or a ceiling says, put together alike.

use super::Limits;
use crate::error::SpecError;
use crate::spec::{JobSpec, LimitsSpec};
use crate::units::{ByteSize, Span};
use std::ops::RangeInclusive;
use std::time::Duration;

/// One of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    WallClock,
    Memory,
    Cpu,
    CpuTime,
    Pids,
    OpenFiles,
    Output,
    Disk,
    Grace,
}

impl Limit {
    pub(super) const ALL: [Self; 9] = [
        Self::WallClock,
        Self::Memory,
        Self::Cpu,
        Self::CpuTime,
        Self::Pids,
        Self::OpenFiles,
        Self::Output,
        Self::Disk,
        Self::Grace,
    ];

    /// Its field in `limits`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::WallClock => "wall_clock",
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuTime => "cpu_seconds",
            Self::Pids => "pids",
            Self::OpenFiles => "open_files",
            Self::Output => "output",
            Self::Disk => "disk",
            Self::Grace => "grace",
        }
    }

    /// Its field in `features`.
    pub(super) const fn flat_name(self) -> Option<&'static str> {
        match self {
            Self::WallClock => Some("wall_clock_seconds"),
            Self::Memory => Some("memory_mb"),
            Self::CpuTime => Some("cpu_seconds"),
            Self::Cpu | Self::Pids | Self::OpenFiles | Self::Output | Self::Disk | Self::Grace => None,
        }
    }

    /// What it may be: at the lower end what an agent needs to start at all, at the upper what can be enforced.
    const fn range(self) -> RangeInclusive<u64> {
        match self {
            Self::WallClock => 1..=30 * 24 * 60 * 60 * 1000,
            Self::Memory => 16 << 20..=1 << 50,
            Self::Cpu => 10..=1_000_000,
            Self::CpuTime => 100..=1_000_000_000_000,
            Self::Pids => 4..=1 << 22,
            Self::OpenFiles => 16..=1 << 20,
            // Output is held in memory and in the database.
            Self::Output => 0..=64 << 20,
            Self::Disk => 1 << 20..=1 << 50,
            Self::Grace => 0..=60 * 60 * 1000,
        }
    }

    /// A value as people write it.
    pub(super) fn show(self, value: u64) -> String {
        match self {
            Self::WallClock | Self::Grace => Span::new(Duration::from_millis(value)).to_string(),
            Self::Memory | Self::Output | Self::Disk => ByteSize::new(value).to_string(),
            Self::Cpu | Self::CpuTime => Duration::from_millis(value).as_secs_f64().to_string(),
            Self::Pids | Self::OpenFiles => value.to_string(),
        }
    }

    fn check(self, field: &str, value: u64) -> Result<u64, SpecError> {
        let range = self.range();
        let bound = if value < *range.start() {
            format!("too little: at least `{}`", self.show(*range.start()))
        } else if value > *range.end() {
            format!("too much: at most `{}`", self.show(*range.end()))
        } else {
            return Ok(value);
        };
        Err(SpecError::new(field, format!("`{}` is {bound}", self.show(value))))
    }
}

/// A value for each limit, or none: times in milliseconds, sizes in bytes, the CPU rate in thousandths of a core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bounds([Option<u64>; Limit::ALL.len()]);

impl Bounds {
    fn build(mut value: impl FnMut(Limit) -> Option<u64>) -> Self {
        Self(Limit::ALL.map(&mut value))
    }

    pub(super) const fn get(&self, limit: Limit) -> Option<u64> {
        self.0[limit as usize]
    }

    pub(super) fn parse(section: &str, written: &LimitsSpec) -> Result<Self, SpecError> {
        let field = |limit: Limit| format!("{section}.{}", limit.name());
        let of_seconds =
            |limit, value: Option<f64>| value.map(|seconds| thousandths(&field(limit), seconds)).transpose();
        let LimitsSpec { wall_clock, memory, cpu, cpu_seconds, pids, open_files, output, disk, grace } = *written;
        let (cpu, cpu_time) = (of_seconds(Limit::Cpu, cpu)?, of_seconds(Limit::CpuTime, cpu_seconds)?);
        let bounds = Self::build(|limit| match limit {
            Limit::WallClock => wall_clock.map(|span| millis(span.duration())),
            Limit::Memory => memory.map(ByteSize::bytes),
            Limit::Cpu => cpu,
            Limit::CpuTime => cpu_time,
            Limit::Pids => pids.map(u64::from),
            Limit::OpenFiles => open_files.map(u64::from),
            Limit::Output => output.map(ByteSize::bytes),
            Limit::Disk => disk.map(ByteSize::bytes),
            Limit::Grace => grace.map(|span| millis(span.duration())),
        });
        bounds.checked(|limit| Some(field(limit)))
    }

    pub(super) fn parse_flat(spec: &JobSpec) -> Result<Self, SpecError> {
        let Some(features) = &spec.features else { return Ok(Self::default()) };
        let field = |limit: Limit| limit.flat_name().map(|name| format!("features.{name}"));
        let of_seconds = |limit, value: Option<f64>| {
            value.map(|seconds| thousandths(&field(limit).unwrap_or_default(), seconds)).transpose()
        };
        let wall_clock = of_seconds(Limit::WallClock, features.wall_clock_seconds)?;
        let cpu_time = of_seconds(Limit::CpuTime, features.cpu_seconds)?;
        let bounds = Self::build(|limit| match limit {
            Limit::WallClock => wall_clock,
            Limit::Memory => features.memory_mb.map(|mb| mb.saturating_mul(1 << 20)),
            Limit::CpuTime => cpu_time,
            Limit::Cpu | Limit::Pids | Limit::OpenFiles | Limit::Output | Limit::Disk | Limit::Grace => None,
        });
        bounds.checked(field)
    }

    fn checked(self, field: impl Fn(Limit) -> Option<String>) -> Result<Self, SpecError> {
        for limit in Limit::ALL {
            if let (Some(value), Some(field)) = (self.get(limit), field(limit)) {
                limit.check(&field, value)?;
            }
        }
        Ok(self)
    }

    pub(super) fn of(limits: &Limits) -> Self {
        Self::build(|limit| match limit {
            Limit::WallClock => Some(millis(limits.wall_clock)),
            Limit::Memory => Some(limits.memory_bytes),
            Limit::Cpu => limits.cpu_millis,
            Limit::CpuTime => limits.cpu_time.map(millis),
            Limit::Pids => Some(limits.pids.into()),
            Limit::OpenFiles => Some(limits.open_files.into()),
            Limit::Output => Some(limits.output_bytes),
            Limit::Disk => Some(limits.disk_bytes),
            Limit::Grace => Some(millis(limits.grace)),
        })
    }

    /// These values, and those of `other` where there are none.
    pub(super) fn or(self, other: Self) -> Self {
        Self::build(|limit| self.get(limit).or(other.get(limit)))
    }

    /// These values, or the ceiling where that is less or nothing is said.
    pub(super) fn at_most(self, ceilings: &Self) -> Self {
        Self::build(|limit| match (self.get(limit), ceilings.get(limit)) {
            (Some(value), Some(ceiling)) => Some(value.min(ceiling)),
            (value, ceiling) => value.or(ceiling),
        })
    }

    pub(super) fn limits(&self) -> Limits {
        let usual = Limits::default();
        let time = |limit| self.get(limit).map(Duration::from_millis);
        let count = |limit| self.get(limit).and_then(|count| u32::try_from(count).ok());
        Limits {
            wall_clock: time(Limit::WallClock).unwrap_or(usual.wall_clock),
            memory_bytes: self.get(Limit::Memory).unwrap_or(usual.memory_bytes),
            cpu_millis: self.get(Limit::Cpu),
            cpu_time: time(Limit::CpuTime),
            pids: count(Limit::Pids).unwrap_or(usual.pids),
            open_files: count(Limit::OpenFiles).unwrap_or(usual.open_files),
            output_bytes: self.get(Limit::Output).unwrap_or(usual.output_bytes),
            disk_bytes: self.get(Limit::Disk).unwrap_or(usual.disk_bytes),
            grace: time(Limit::Grace).unwrap_or(usual.grace),
        }
    }
}

/// Thousandths of a number of seconds or of cores.
fn thousandths(field: &str, number: f64) -> Result<u64, SpecError> {
    let whole = Duration::try_from_secs_f64(number).ok().filter(|duration| !duration.is_zero());
    let out_of_range = || SpecError::new(field, format!("`{number}` is out of range: more than 0"));
    whole.map(millis).ok_or_else(out_of_range)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
