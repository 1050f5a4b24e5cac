//! Containment in the words and units of people: `2GiB`, `1.5 cores`, `600 s`.

use super::{Confinement, Enforcer, LimitHeld, LimitHit, LimitKind, Mechanism};
use crate::units::ByteSize;
use std::fmt;

impl Confinement {
    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Partial => "partial",
            Self::Off => "off",
        }
    }
}

impl Enforcer {
    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Rlimit => "rlimit",
            Self::Watchdog => "watchdog",
        }
    }
}

impl Mechanism {
    /// What it is called among people.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Cgroup => "control group",
            Self::UserNamespace => "user namespace",
            Self::PidNamespace => "process namespace",
            Self::MountNamespace => "mount namespace",
            Self::IpcNamespace => "IPC namespace",
            Self::NetworkNamespace => "network namespace",
            Self::Landlock => "Landlock",
            Self::Seccomp => "seccomp",
            Self::NoNewPrivs => "no new privileges",
            Self::NoCapabilities => "no capabilities",
        }
    }
}

impl LimitKind {
    /// An amount of what it limits, given in its unit: `2GiB`, `1.5 cores`, `600 s`, `256`.
    #[must_use]
    pub fn amount(self, value: u64) -> String {
        match self {
            Self::Memory | Self::Disk => bytes(value),
            Self::Cpu if value == 1000 => "1 core".to_owned(),
            Self::Cpu => format!("{} cores", thousandths(value)),
            Self::CpuSeconds => format!("{} s", thousandths(value)),
            Self::Pids | Self::OpenFiles => value.to_string(),
        }
    }
}

/// `memory 2GiB (cgroup)`.
impl fmt::Display for LimitHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.limit, self.limit.amount(self.allowed), self.by.as_str())
    }
}

/// `` `memory` of 2GiB, it reached 2.1GiB ``.
impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [allowed, peak] = [self.allowed, self.peak].map(|value| self.limit.amount(value));
        write!(f, "`{}` of {allowed}, it reached {peak}", self.limit)
    }
}

/// Bytes in the largest unit they fill, exact where that is short and else to two places.
fn bytes(value: u64) -> String {
    const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let Some((name, shift)) = UNITS.into_iter().find(|(_, shift)| value >> shift > 0) else {
        return ByteSize::new(value).to_string();
    };
    // In hundredths of the unit, rounded down: what stayed below a limit is not shown as having reached it.
    let hundredths = (u128::from(value) * 100) >> shift;
    format!("{}{name}", decimal(hundredths / 100, hundredths % 100, 2))
}

fn thousandths(value: u64) -> String {
    decimal(u128::from(value / 1000), u128::from(value % 1000), 3)
}

/// A decimal number without the zeros at its end.
fn decimal(whole: u128, fraction: u128, digits: usize) -> String {
    let text = format!("{whole}.{fraction:0digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_in_peoples_units() {
        let cases = [
            (LimitKind::Memory, 2 << 30, "2GiB"),
            (LimitKind::Memory, (64 << 20) + (1 << 19), "64.5MiB"),
            (LimitKind::Memory, (2 << 30) - 1, "1.99GiB"),
            (LimitKind::Memory, u64::MAX, "17179869183.99GiB"),
            (LimitKind::Disk, 1023, "1023B"),
            (LimitKind::Disk, 0, "0B"),
            (LimitKind::Cpu, 1500, "1.5 cores"),
            (LimitKind::Cpu, 1000, "1 core"),
            (LimitKind::Cpu, 50, "0.05 cores"),
            (LimitKind::CpuSeconds, 600_000, "600 s"),
            (LimitKind::CpuSeconds, 1_234, "1.234 s"),
            (LimitKind::Pids, 256, "256"),
            (LimitKind::OpenFiles, 1024, "1024"),
        ];
        for (limit, value, words) in cases {
            assert_eq!(limit.amount(value), words, "{limit} {value}");
        }
    }

    #[test]
    fn a_limit_says_what_was_allowed_by_whom_and_what_was_reached() {
        let held = LimitHeld { limit: LimitKind::Memory, allowed: 2 << 30, by: Enforcer::Cgroup };
        assert_eq!(held.to_string(), "memory 2GiB (cgroup)");
        let hit = LimitHit { limit: LimitKind::CpuSeconds, allowed: 10_000, peak: 10_250 };
        assert_eq!(hit.to_string(), "`cpu_seconds` of 10 s, it reached 10.25 s");
    }

    /// The words of an enum are those it is stored and sent with.
    #[test]
    fn names_are_those_that_are_stored() {
        let stored = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        for word in [Confinement::Enforced, Confinement::Partial, Confinement::Off] {
            assert_eq!(word.as_str(), stored(serde_json::to_value(word).unwrap()));
        }
        for word in [Enforcer::Cgroup, Enforcer::Rlimit, Enforcer::Watchdog] {
            assert_eq!(word.as_str(), stored(serde_json::to_value(word).unwrap()));
        }
    }
}
