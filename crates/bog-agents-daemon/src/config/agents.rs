//! What the daemon's settings say of agents: the default model, where providers are, prices, MCP servers for every job, and
//! what all jobs together may spend in a day.

use bog_agent::session::{Price, Provider};
use bog_domain::job::Mcp;
use bog_domain::spec::{McpSpec, Names};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// What every agent that speaks a protocol is told besides what its job says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentSettings {
    /// Models of jobs that name none.
    pub models: Vec<String>,
    /// Where providers are reached and under which variable their key is.
    pub providers: BTreeMap<String, Provider>,
    /// Prices that differ from the table in this version, by `provider:model`.
    pub prices: BTreeMap<String, Price>,
    /// MCP servers that every job gets, unless it names one of the same name.
    pub mcp: Vec<Mcp>,
    /// US dollars that all runs of one day may cost.
    pub daily_usd: Option<f64>,
}

/// `[budget]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetSettings {
    /// US dollars that all runs of one day may cost: from there on fires are skipped.
    pub daily_usd: Option<f64>,
}

impl BudgetSettings {
    pub(super) fn check(self) -> Result<(), String> {
        match self.daily_usd {
            Some(usd) if !usd.is_finite() || usd <= 0.0 => {
                Err(format!("`budget.daily_usd`: `{usd}` is no amount of money: more than 0 US dollars"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

pub(super) fn models<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let Names(models) = Names::deserialize(deserializer)?;
    for model in &models {
        bog_agent::providers::ModelRef::parse(model).map_err(|error| de::Error::custom(format!("`model`: {error}")))?;
    }
    Ok(models)
}

pub(super) fn mcp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Mcp>, D::Error> {
    let written = Vec::<McpSpec>::deserialize(deserializer)?;
    let numbered = written.iter().enumerate();
    numbered.map(|(index, server)| Mcp::parse(&format!("mcp[{index}]"), server).map_err(de::Error::custom)).collect()
}
