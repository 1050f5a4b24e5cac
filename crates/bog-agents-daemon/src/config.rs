//! `config.toml`: the daemon's settings, all optional. An unknown key is an error that names it.

use bog_agent::providers::Provider;
use bog_domain::job::{Ceilings, Defaults, GrantPath, Limits, ModelSecrets, Places, SandboxDefaults};
use bog_domain::spec::{LimitsSpec, SandboxMode};
use bog_domain::units::Span;
use serde::{Deserialize, Deserializer, de};
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
    #[serde(deserialize_with = "limits")]
    pub limits: Limits,
    /// What no run may consume more of, whatever its job says.
    #[serde(deserialize_with = "ceilings")]
    pub ceilings: Ceilings,
    /// What a run may touch.
    pub sandbox: SandboxSettings,
}

/// What a run may touch, whatever its job says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxSettings {
    /// How strict the sandbox of a job is that does not say.
    pub mode: SandboxMode,
    /// Folders and files that every job may read.
    #[serde(deserialize_with = "paths")]
    pub read: Vec<GrantPath>,
}

fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
    Limits::of_daemon(&LimitsSpec::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn ceilings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ceilings, D::Error> {
    Ceilings::parse(&LimitsSpec::deserialize(deserializer)?).map_err(de::Error::custom)
}

/// Paths that mean the same for every job.
fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<GrantPath>, D::Error> {
    let parse = |text: String| match text.parse() {
        Ok(GrantPath::WorkingDir(_)) => Err(format!(
            "`{text}` is another folder for each job: write an absolute path, or one that begins with `~/`"
        )),
        Ok(path @ (GrantPath::Home(_) | GrantPath::Absolute(_))) => Ok(path),
        Err(error) => Err(error),
    };
    Vec::<String>::deserialize(deserializer)?
        .into_iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .map_err(de::Error::custom)
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
        Self::parse(&text).map_err(|message| ConfigError::Invalid { path, message })
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
        Ok(config)
    }

    /// What jobs get where they say nothing, and at most, for the daemon of a data folder.
    #[must_use]
    pub fn defaults(&self, data_dir: &Path) -> Defaults {
        let timezone = self.timezone.clone().unwrap_or_else(crate::clock::zone_name);
        let data_dir = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
        let sandbox = SandboxDefaults {
            mode: self.sandbox.mode,
            read: self.sandbox.read.clone(),
            model_secrets: model_secrets(),
            places: Places { home: Some(crate::env::home_dir()), data_dir: Some(data_dir) },
        };
        Defaults { timezone, limits: self.limits, ceilings: self.ceilings, sandbox }
    }
}

/// Which variables hold the credentials of which model provider.
fn model_secrets() -> ModelSecrets {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let by_provider =
        Provider::ALL.map(|provider| (provider.as_str().to_owned(), owned(&provider.credentials().concat())));
    let of_any = Provider::ALL.iter().flat_map(|provider| owned(provider.model_keys())).collect();
    ModelSecrets { by_provider: by_provider.into(), of_any }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn reads_what_is_documented_and_refuses_the_rest() {
        let config =
            Config::parse("port = 0\ntimezone = 'Europe/Berlin'\nlog = 'json'\n[limits]\nwall_clock = '5m'\n").unwrap();
        assert_eq!((config.port, config.log), (0, LogFormat::Json));
        assert_eq!(config.limits.wall_clock.as_secs(), 300);
        assert_eq!(Config::parse("").unwrap(), Config::default());
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
        ]
        .map(|text| Config::parse(text).unwrap_err())
        .to_vec();
        insta::assert_snapshot!(errors.join("\n----\n"));
    }
}
