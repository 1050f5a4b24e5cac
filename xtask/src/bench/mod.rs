//! `cargo xtask bench`: the speed and size table, measured on the release binary, one file per row.
//!
//! Timings never decide whether it passes: machines differ. It fails only where something could not be measured.

mod accept;
mod agent;
mod containment;
mod cron;
mod daemon;
mod files;
mod hooks;
mod http;
mod idle_cpu;
mod idle_memory;
mod jobs;
mod limits;
mod llm;
mod peer;
mod proc;
mod request_to_agent;
mod runs;
mod start;
mod stats;

use crate::step::{cargo, run};
use anyhow::{Result, bail};
use std::time::{SystemTime, UNIX_EPOCH};

/// How much to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What the table asks for.
    Full,
    /// A look in passing: shorter windows, fewer samples.
    Quick,
}

impl Effort {
    /// One of two figures.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// One printed line.
pub struct Row {
    /// What was measured, and under which conditions where they are not obvious.
    pub what: String,
    /// The figures.
    pub measured: String,
    /// What the table asks for.
    pub target: String,
}

impl Row {
    /// A row of the table.
    pub fn new(what: impl Into<String>, measured: impl Into<String>, target: impl Into<String>) -> Self {
        Self { what: what.into(), measured: measured.into(), target: target.into() }
    }
}

type Measure = fn(Effort, &limits::Limits) -> Result<Vec<Row>>;

/// Every benchmark by name, in the order of the table.
const BENCHES: [(&str, Measure); 11] = [
    ("idle-memory", idle_memory::measure),
    ("idle-cpu", idle_cpu::measure),
    ("start", start::measure),
    ("accept", accept::measure),
    ("request-to-agent", request_to_agent::measure),
    ("webhook", hooks::measure),
    ("containment", containment::measure),
    ("cron", cron::measure),
    ("files", files::measure),
    ("runs", runs::measure),
    ("agent", agent::measure),
];

/// Measures what `options` name, or everything, and prints the table.
///
/// # Errors
/// When an option is unknown, the release build fails, or something could not be measured.
pub fn bench(options: &[&str]) -> Result<()> {
    let effort = if options.contains(&"--quick") { Effort::Quick } else { Effort::Full };
    let names: Vec<&str> = options.iter().copied().filter(|option| *option != "--quick").collect();
    let known = |name: &&str| *name == "limits" || BENCHES.iter().any(|(known, _)| known == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all = BENCHES.map(|(name, _)| format!("`{name}`")).join(", ");
        bail!("`{unknown}` is no benchmark; allowed are `limits`, {all}, and the option `--quick`");
    }
    let chosen = |name: &str| names.is_empty() || names.contains(&name);
    let benches: Vec<_> = BENCHES.into_iter().filter(|(name, _)| chosen(name)).collect();
    if !benches.is_empty() && daemon::given_program().is_none() {
        run("release build", &mut cargo(&["build", "--quiet", "--release", "--package", "bog-agents-daemon"]))?;
    }

    println!("{:<70} {:<44} at most (rates: at least)", "what", "measured");
    let limits = limits::measure(effort)?;
    limits.rows().iter().for_each(print);
    let mut failed = Vec::new();
    for (name, measure) in benches {
        match measure(effort, &limits) {
            Ok(rows) => rows.iter().for_each(print),
            Err(error) => {
                print(&Row::new(name, "not measured", ""));
                eprintln!("    {name}: {error:#}");
                failed.push(name);
            }
        }
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

fn print(row: &Row) {
    println!("{:<70} {:<44} {}", row.what, row.measured, row.target);
}

/// The agent that the benchmarks run: prints the wall clock in nanoseconds since 1970 and ends.
///
/// # Errors
/// When the wall clock stands before 1970.
pub fn stamp() -> Result<()> {
    println!("{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos());
    Ok(())
}
