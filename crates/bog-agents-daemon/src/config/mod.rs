//! `config.toml`: the daemon's settings, all optional. An unknown key is an error that names it.

mod agents;
mod granted;
mod outputs;

pub use agents::{AgentSettings, BudgetSettings};
pub use granted::SandboxSettings;
pub use outputs::OutputSettings;

use bog_domain::hook;
use bog_domain::job::{Ceilings, Defaults, Limits, Mcp, ModelDefaults, alert_outputs};
use bog_domain::spec::{LoopsSpec, OutputSpec};
use bog_domain::units::Span;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The settings, with their defaults.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks one.
    pub port: u16,
    /// Runs at the same time, over all jobs.
    pub max_concurrent: u32,
    /// IANA zone of jobs that name none; the machine's where left out.
    pub timezone: Option<String>,
    /// How log lines look: `text` or `json`.
    pub log: LogFormat,
    /// Folders, besides the usual ones, that file outputs may write into.
    pub output_roots: Vec<PathBuf>,
    /// How long running attempts are waited for when the daemon is told to stop; then they go on without it.
    pub shutdown_grace: Span,
    /// How long finished runs, their folders and their fires are kept; everything for ever where left out.
    pub keep: Option<Span>,
    /// What a run may consume where its job does not say.
    #[serde(deserialize_with = "granted::limits")]
    pub limits: Limits,
    /// What no run may consume more of, whatever its job says.
    #[serde(deserialize_with = "granted::ceilings")]
    pub ceilings: Ceilings,
    /// What a run may touch.
    pub sandbox: SandboxSettings,
    /// How much may be caused by runs where a job does not say.
    pub loops: LoopsSpec,
    /// How results are delivered.
    pub outputs: OutputSettings,
    /// Who is told when any job begins to fail, and when it works again.
    pub on_failure: Vec<OutputSpec>,
    /// What holds for requests that fire triggers.
    pub webhooks: hook::Settings,
    /// Models of jobs that name none, as `provider:model`.
    #[serde(deserialize_with = "agents::models")]
    pub model: Vec<String>,
    /// Where model providers are reached, by their names.
    pub providers: BTreeMap<String, bog_agent::session::Provider>,
    /// Prices that differ from the table in this version, by `provider:model`.
    pub prices: BTreeMap<String, bog_agent::session::Price>,
    /// MCP servers that every job gets.
    #[serde(deserialize_with = "agents::mcp")]
    pub mcp: Vec<Mcp>,
    /// What all jobs together may spend.
    pub budget: BudgetSettings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 7391,
            max_concurrent: 8,
            timezone: None,
            log: LogFormat::Text,
            output_roots: Vec::new(),
            shutdown_grace: Span::new(std::time::Duration::from_secs(5)),
            keep: None,
            limits: Limits::default(),
            ceilings: Ceilings::default(),
            sandbox: SandboxSettings::default(),
            loops: LoopsSpec::default(),
            outputs: OutputSettings::default(),
            on_failure: Vec::new(),
            webhooks: hook::Settings::default(),
            model: Vec::new(),
            providers: BTreeMap::new(),
            prices: BTreeMap::new(),
            mcp: Vec::new(),
            budget: BudgetSettings::default(),
        }
    }
}

/// Why `config.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("`{path}` cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not valid.
    #[error("`{path}` is not valid: {message}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        message: String,
    },
}

impl Config {
    /// Reads the settings of a data folder; the defaults where there is no file.
    ///
    /// # Errors
    /// When the file cannot be read or is not valid.
    pub fn load(data_dir: &Path) -> Result<Self, ConfigError> {
        let path = data_dir.join("config.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ConfigError::Unreadable { path, error }),
        };
        let checked = Self::parse(&text).and_then(|config| config.sandbox.check(data_dir).map(|()| config));
        checked.map_err(|message| ConfigError::Invalid { path, message })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if config.max_concurrent == 0 {
            return Err("`max_concurrent` is 0: no job would ever run; at least 1".to_owned());
        }
        if let Some(zone) = &config.timezone {
            jiff::tz::TimeZone::get(zone)
                .map_err(|_| format!("`timezone`: `{zone}` is not an IANA time zone, for example `Europe/Berlin`"))?;
        }
        config.outputs.check()?;
        alert_outputs(&config.on_failure).map_err(|error| error.to_string())?;
        config.webhooks.check()?;
        config.budget.check()?;
        Ok(config)
    }

    /// What agents that speak a protocol are told.
    #[must_use]
    pub fn agents(&self) -> AgentSettings {
        AgentSettings {
            models: self.model.clone(),
            providers: self.providers.clone(),
            prices: self.prices.clone(),
            mcp: self.mcp.clone(),
            daily_usd: self.budget.daily_usd,
        }
    }

    /// Which models there are, as far as the environment says.
    fn models(&self) -> ModelDefaults {
        let set = |name: &str| crate::env::var(name).filter(|value| !value.is_empty());
        let there = |name: &str| set(name).or_else(|| set(&format!("{name}{}", crate::env::FILE_SUFFIX)));
        let known = bog_agent::providers::configured(there).into_iter().map(|provider| provider.to_string());
        // A key that its settings name may lie where it is only looked for when it is needed.
        let providers = known.chain(self.providers.keys().cloned()).collect();
        ModelDefaults { has_default: !self.model.is_empty(), providers: Some(providers) }
    }

    /// What jobs get where they say nothing, and at most, for the daemon of a data folder.
    #[must_use]
    pub fn defaults(&self, data_dir: &Path) -> Defaults {
        let timezone = self.timezone.clone().unwrap_or_else(crate::clock::zone_name);
        let sandbox = self.sandbox.defaults(data_dir);
        let models = self.models();
        Defaults { timezone, limits: self.limits, ceilings: self.ceilings, sandbox, models }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::spec::SandboxMode;

    #[test]
    fn jobs_get_what_is_configured() {
        let text = "[limits]\nmemory = 33554432\ngrace = 5\ncpu = 2\n[ceilings]\npids = 100\nwall_clock = '5m'\n\
                    [sandbox]\nmode = 'best_effort'\nread = ['/srv/tools', '~/bin']\n";
        let defaults = Config::parse(text).unwrap().defaults(Path::new("/var/lib/bog"));
        let spec = bog_domain::spec::yaml::parse("agent: {command: ['true']}\n").unwrap();
        let job = bog_domain::job::Job::parse("j".parse().unwrap(), &spec, &defaults).unwrap();
        assert_eq!(
            (job.limits.memory_bytes, job.limits.grace.as_secs(), job.limits.cpu_millis),
            (1 << 25, 5, Some(2000))
        );
        assert_eq!((job.limits.pids, job.limits.wall_clock.as_secs()), (100, 300));
        assert_eq!(job.grant.mode, SandboxMode::BestEffort);
        assert_eq!(job.grant.read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/srv/tools", "~/bin"]);
        assert_eq!(defaults.sandbox.places.data_dir.as_deref(), Some(Path::new("/var/lib/bog")));
    }

    #[test]
    fn the_data_folder_is_not_granted_to_all_jobs() {
        let folder = tempfile::tempdir().unwrap();
        let load = |read: &Path| {
            let text = format!("[sandbox]\nread = ['/srv', '{}']\n", read.display());
            std::fs::write(folder.path().join("config.toml"), text).unwrap();
            Config::load(folder.path())
        };
        let refused = load(&folder.path().join("runs")).unwrap_err().to_string();
        assert!(refused.ends_with("/runs` lies in the data folder, which no job gets: remove it"), "{refused}");
        assert!(load(folder.path().parent().unwrap()).is_ok(), "what lies around it is hidden there all the same");
    }

    #[test]
    fn reads_what_is_documented_and_refuses_the_rest() {
        let config =
            Config::parse("port = 0\ntimezone = 'Europe/Berlin'\nlog = 'json'\n[limits]\nwall_clock = '5m'\n").unwrap();
        assert_eq!((config.port, config.log), (0, LogFormat::Json));
        assert_eq!(config.limits.wall_clock.as_secs(), 300);
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let told = "[[on_failure]]\ntype = 'slack'\nchannel = '#ops'\nretry = {max = 3, backoff = '1s'}\n\
                    template = '{{ job.id }} {{ incident.failures }}'\n";
        assert_eq!(Config::parse(told).unwrap().on_failure.len(), 1);
        let errors: Vec<String> = [
            "prot = 1\n",
            "max_concurrent = 0\n",
            "timezone = 'Mars'\n",
            "port = 99999\n",
            "x",
            "[limits]\nmemory = '1MiB'\n",
            "[limits]\ngrace = -1\n",
            "[ceilings]\npids = 3\n",
            "[sandbox]\nmode = 'off'\n",
            "[sandbox]\nread = ['/srv', './x']\n",
            "[sandbox]\nread = ['/srv/../x']\n",
            "[outputs]\ntimeout = '0s'\n",
            "[outputs]\nslack_api_url = 'slack.com'\n",
            "[outputs]\nallow_privat = true\n",
            "[[on_failure]]\ntype = 'fax'\n",
            "[[on_failure]]\ntype = 'log'\n[[on_failure]]\ntype = 'slack'\n",
            "[[on_failure]]\ntype = 'log'\nwhen = 'changed'\n",
            "[[on_failure]]\ntype = 'log'\ntemplate = '{{ incident.sinc }}'\n",
            "[webhooks]\nmax_body = '1GiB'\n",
            "[webhooks]\nrate = 0\n",
        ]
        .map(|text| Config::parse(text).unwrap_err())
        .to_vec();
        insta::assert_snapshot!(errors.join("\n----\n"));
    }
}
