//! What a run may consume: what its job asks for, else the daemon's default, and never more than the daemon's ceiling.

mod bounds;

use crate::error::SpecError;
use crate::spec::{JobSpec, LimitsSpec};
use crate::units::{ByteSize, Span};
use bounds::{Bounds, Limit};
use std::fmt;
use std::time::Duration;

/// What a run may consume; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long an attempt may take.
    pub wall_clock: Duration,
    /// Memory and swap of the whole tree, in bytes.
    pub memory_bytes: u64,
    /// CPU rate of the whole tree, in thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// CPU time of the whole tree.
    pub cpu_time: Option<Duration>,
    /// Processes and threads of the tree at the same time.
    pub pids: u32,
    /// Files that one process may have open.
    pub open_files: u32,
    /// Bytes of output that are kept.
    pub output_bytes: u64,
    /// Bytes in the run's folder.
    pub disk_bytes: u64,
    /// Time between TERM and KILL when an attempt is ended.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall_clock: Duration::from_secs(30 * 60),
            memory_bytes: 4 << 30,
            cpu_millis: None,
            cpu_time: None,
            pids: 512,
            open_files: 4096,
            output_bytes: 1 << 20,
            disk_bytes: 10 << 30,
            grace: Duration::from_secs(10),
        }
    }
}

impl From<&Limits> for LimitsSpec {
    /// The limits as a job would write them.
    fn from(limits: &Limits) -> Self {
        // Thousandths, of a core as of a second.
        let thousandths = |millis| Duration::from_millis(millis).as_secs_f64();
        Self {
            wall_clock: Some(Span::new(limits.wall_clock)),
            memory: Some(ByteSize::new(limits.memory_bytes)),
            cpu: limits.cpu_millis.map(thousandths),
            cpu_seconds: limits.cpu_time.map(|time| time.as_secs_f64()),
            pids: Some(limits.pids),
            open_files: Some(limits.open_files),
            output: Some(ByteSize::new(limits.output_bytes)),
            disk: Some(ByteSize::new(limits.disk_bytes)),
            grace: Some(Span::new(limits.grace)),
        }
    }
}

/// The most that any job gets, whatever it asks for. The default is no ceiling on anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceilings(Bounds);

/// A limit of which a job asks for more than the daemon gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clamped {
    /// The field that asks for it.
    pub field: String,
    /// What it asks for, as people write it.
    pub asked: String,
    /// What it gets, as people write it.
    pub ceiling: String,
}

impl fmt::Display for Clamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, asked, ceiling } = self;
        write!(
            f,
            "`{field}`: `{asked}` is more than this daemon's ceiling, `{ceiling}`, which is what runs get: ask for less, or \
             raise it under `[ceilings]` in `config.toml`"
        )
    }
}

impl Limits {
    /// The daemon's defaults: what is written, and the usual values for the rest.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn of_daemon(written: &LimitsSpec) -> Result<Self, SpecError> {
        Ok(Bounds::parse("limits", written)?.or(Bounds::of(&Self::default())).limits())
    }

    /// What a job gets, and where that is less than it asks for.
    pub(super) fn parse(
        spec: &JobSpec,
        defaults: &Self,
        ceilings: &Ceilings,
    ) -> Result<(Self, Vec<Clamped>), SpecError> {
        let nested = Bounds::parse("limits", &spec.limits.unwrap_or_default())?;
        let flat = Bounds::parse_flat(spec)?;
        let clamped = Limit::ALL.into_iter().filter_map(|limit| {
            let of_nested = nested.get(limit).map(|asked| (format!("limits.{}", limit.name()), asked));
            let of_flat = || Some((format!("features.{}", limit.flat_name()?), flat.get(limit)?));
            let (field, asked) = of_nested.or_else(of_flat)?;
            let ceiling = ceilings.0.get(limit).filter(|ceiling| asked > *ceiling)?;
            Some(Clamped { field, asked: limit.show(asked), ceiling: limit.show(ceiling) })
        });
        let wanted = nested.or(flat).or(Bounds::of(defaults));
        Ok((wanted.at_most(&ceilings.0).limits(), clamped.collect()))
    }
}

impl Ceilings {
    /// The ceilings that are written; no ceiling where nothing is.
    ///
    /// # Errors
    /// The first value that is out of range.
    pub fn parse(written: &LimitsSpec) -> Result<Self, SpecError> {
        Bounds::parse("ceilings", written).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Defaults, Job};
    use crate::spec::yaml;
    use proptest::prelude::*;

    const COMMAND: &str = "agent: {command: ['true']}\n";

    fn parse(text: &str, defaults: &Defaults) -> Result<Job, SpecError> {
        let text = format!("{COMMAND}{text}");
        Job::parse("j".parse().unwrap(), &yaml::parse(&text).unwrap(), defaults)
    }

    fn job(text: &str) -> Job {
        parse(text, &Defaults::default()).unwrap()
    }

    fn written(text: &str) -> LimitsSpec {
        yaml::parse(&format!("prompt: x\nlimits: {text}\n")).unwrap().limits.unwrap()
    }

    #[test]
    fn the_nested_shape_wins_over_the_flat_one() {
        let flat = "features: {cpu_seconds: 5.5, memory_mb: 100, wall_clock_seconds: 90}\n";
        let limits = job(flat).limits;
        assert_eq!((limits.wall_clock, limits.memory_bytes), (Duration::from_secs(90), 100 << 20));
        assert_eq!(limits.cpu_time, Some(Duration::from_millis(5500)));
        let both = job(&format!("{flat}limits: {{cpu_seconds: 7, memory: 1GiB, wall_clock: 2m}}\n")).limits;
        assert_eq!((both.wall_clock, both.memory_bytes), (Duration::from_secs(120), 1 << 30));
        assert_eq!(both.cpu_time, Some(Duration::from_secs(7)));
        let all = "{wall_clock: 1m, memory: 64MiB, cpu: 1.5, cpu_seconds: 2, pids: 5, open_files: 20, output: 1KiB, \
                   disk: 2MiB, grace: 3s}";
        let nested = job(&format!("limits: {all}\n")).limits;
        assert_eq!((nested.cpu_millis, nested.pids, nested.open_files), (Some(1500), 5, 20));
        assert_eq!((nested.output_bytes, nested.disk_bytes, nested.grace.as_secs()), (1 << 10, 2 << 20, 3));
        assert_eq!(Limits::of_daemon(&LimitsSpec::from(&nested)), Ok(nested));
        assert_eq!(job("").limits, Limits::default());
    }

    #[test]
    fn what_is_out_of_range_is_named_with_what_is_allowed() {
        let wrong = [
            "limits: {wall_clock: 0s}",
            "limits: {wall_clock: 31d}",
            "limits: {memory: 1MiB}",
            "limits: {cpu: 0}",
            "limits: {cpu: -1}",
            "limits: {cpu: 0.001}",
            "limits: {cpu: .nan}",
            "limits: {cpu_seconds: .inf}",
            "limits: {pids: 3}",
            "limits: {open_files: 8}",
            "limits: {output: 65MiB}",
            "limits: {disk: 1B}",
            "limits: {grace: 2h}",
            "features: {memory_mb: 15}",
            "features: {wall_clock_seconds: -1}",
            "features: {cpu_seconds: 0}",
            // The nested value wins, but a wrong flat one is wrong all the same.
            "limits: {memory: 1GiB}\nfeatures: {memory_mb: 1}",
        ];
        let said: Vec<String> = wrong
            .iter()
            .map(|text| match yaml::parse(&format!("{COMMAND}{text}")) {
                Ok(_) => format!("{text}\n    {}", parse(text, &Defaults::default()).unwrap_err()),
                Err(error) => format!("{text}\n    {error}"),
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }

    #[test]
    fn a_ceiling_bounds_what_is_asked_for_and_what_is_not() {
        let ceilings = Ceilings::parse(&written("{memory: 1GiB, cpu: 2, wall_clock: 5m, pids: 600}")).unwrap();
        let defaults = Defaults { ceilings, ..Defaults::default() };
        let silent = parse("", &defaults).unwrap();
        assert_eq!((silent.limits.memory_bytes, silent.limits.cpu_millis), (1 << 30, Some(2000)));
        assert_eq!((silent.limits.pids, silent.limits.wall_clock.as_secs()), (512, 300));
        assert_eq!(silent.warnings(), Vec::<String>::new());
        let greedy = "limits: {memory: 2GiB, cpu: 1.5, pids: 700}\nfeatures: {wall_clock_seconds: 301, memory_mb: 1}\n";
        let greedy = parse(&greedy.replace("memory_mb: 1", "memory_mb: 16"), &defaults).unwrap();
        assert_eq!((greedy.limits.memory_bytes, greedy.limits.cpu_millis), (1 << 30, Some(1500)));
        assert_eq!((greedy.limits.pids, greedy.limits.wall_clock.as_secs()), (600, 300));
        insta::assert_snapshot!(greedy.warnings().join("\n"));
        let error = Ceilings::parse(&written("{memory: 1MiB}")).unwrap_err();
        assert_eq!(error.to_string(), "`ceilings.memory`: `1MiB` is too little: at least `16MiB`");
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_over_its_ceiling(
            asked in proptest::option::of(16u64..1 << 20), flat in proptest::option::of(16u64..1 << 20),
            default in 16u64..1 << 20, ceiling in proptest::option::of(16u64..1 << 20),
        ) {
            let mib = |mib: Option<u64>| mib.map(|mib| crate::units::ByteSize::new(mib << 20));
            let spec = |memory| LimitsSpec { memory, ..LimitsSpec::default() };
            let features = crate::spec::Features { memory_mb: flat, ..crate::spec::Features::default() };
            let job = JobSpec { limits: Some(spec(mib(asked))), features: Some(features), ..JobSpec::default() };
            let ceilings = Ceilings::parse(&spec(mib(ceiling))).unwrap();
            let defaults = Limits::of_daemon(&spec(mib(Some(default)))).unwrap();
            let (limits, clamped) = Limits::parse(&job, &defaults, &ceilings).unwrap();
            let wanted = asked.or(flat);
            prop_assert_eq!(limits.memory_bytes >> 20, wanted.unwrap_or(default).min(ceiling.unwrap_or(u64::MAX)));
            // Somebody is told exactly where a job gets less than it asks for.
            let less = wanted.zip(ceiling).is_some_and(|(wanted, ceiling)| wanted > ceiling);
            prop_assert_eq!(clamped.len(), usize::from(less));
        }
    }
}
