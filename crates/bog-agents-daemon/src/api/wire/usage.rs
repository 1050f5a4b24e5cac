//! What runs have used.

use bog_domain::agent_end::ModelUsage;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// By what usage is summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// By day, in the daemon's time zone.
    Day,
    /// By job.
    Job,
    /// By model.
    Model,
    /// By run.
    Run,
}

impl UsageBy {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Day, Self::Job, Self::Model, Self::Run];

    /// The name used in the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Job => "job",
            Self::Model => "model",
            Self::Run => "run",
        }
    }
}

/// What was used in a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageTable {
    /// One line for each day, job, model or run.
    pub items: Vec<UsageLine>,
    /// All of them together.
    pub total: UsageLine,
}

/// What was used. A number that nobody told is null, which is not nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UsageLine {
    /// The day, job, model or run; `total` for all.
    pub key: String,
    /// Runs that used it.
    pub runs: u64,
    /// Tokens sent to models, those read from a cache left out.
    pub input_tokens: Option<u64>,
    /// Tokens that models produced.
    pub output_tokens: Option<u64>,
    /// Tokens read from providers' caches.
    pub cache_read_tokens: Option<u64>,
    /// Tokens written to them.
    pub cache_write_tokens: Option<u64>,
    /// US dollars, unrounded.
    pub cost_usd: Option<f64>,
}

impl UsageLine {
    /// Adds what was used of a model.
    pub fn add(&mut self, usage: &ModelUsage) {
        let sum = |a: &mut Option<u64>, b: Option<u64>| {
            *a = match (*a, b) {
                (Some(a), Some(b)) => Some(a.saturating_add(b)),
                (a, b) => a.or(b),
            };
        };
        sum(&mut self.input_tokens, usage.input_tokens);
        sum(&mut self.output_tokens, usage.output_tokens);
        sum(&mut self.cache_read_tokens, usage.cache_read_tokens);
        sum(&mut self.cache_write_tokens, usage.cache_write_tokens);
        self.cost_usd = match (self.cost_usd, usage.cost_usd) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
    }

    /// Its fields after the key, as text; empty where nothing is known.
    #[must_use]
    pub fn cells(&self) -> [String; 6] {
        let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
        [
            self.runs.to_string(),
            count(self.input_tokens),
            count(self.output_tokens),
            count(self.cache_read_tokens),
            count(self.cache_write_tokens),
            self.cost_usd.map(|cost| cost.to_string()).unwrap_or_default(),
        ]
    }
}

/// The names of a line's fields, the key's left out.
const COLUMNS: [&str; 6] =
    ["runs", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd"];

impl fmt::Display for UsageBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl UsageTable {
    /// As comma-separated values (RFC 4180), without the total.
    #[must_use]
    pub fn csv(&self, by: UsageBy) -> String {
        let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let mut lines = vec![format!("{},{}", by.as_str(), COLUMNS.join(","))];
        lines.extend(self.items.iter().map(|line| format!("{},{}", quoted(&line.key), line.cells().join(","))));
        lines.join("\r\n") + "\r\n"
    }
}
