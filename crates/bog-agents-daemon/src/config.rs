//! `config.toml`: the daemon's settings, all optional. An unknown key is an error that names it.

use bog_domain::job::{Defaults, Limits};
use bog_domain::units::{ByteSize, Span};
use serde::Deserialize;
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
    pub limits: LimitDefaults,
}

/// What a run may consume where its job does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitDefaults {
    /// How long an attempt may take.
    pub wall_clock: Span,
    /// Bytes of output that are kept.
    pub output: ByteSize,
    /// Time between TERM and KILL.
    pub grace: Span,
}

impl Default for LimitDefaults {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            wall_clock: Span::new(limits.wall_clock),
            output: ByteSize::new(limits.output_bytes),
            grace: Span::new(limits.grace),
        }
    }
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
            limits: LimitDefaults::default(),
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

    /// What jobs get where they say nothing.
    #[must_use]
    pub fn defaults(&self) -> Defaults {
        let limits = Limits {
            wall_clock: self.limits.wall_clock.duration(),
            output_bytes: self.limits.output.bytes(),
            grace: self.limits.grace.duration(),
        };
        let timezone = self.timezone.clone().unwrap_or_else(crate::clock::zone_name);
        Defaults { timezone, limits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_documented_and_refuses_the_rest() {
        let config =
            Config::parse("port = 0\ntimezone = 'Europe/Berlin'\nlog = 'json'\n[limits]\nwall_clock = '5m'\n").unwrap();
        assert_eq!((config.port, config.log), (0, LogFormat::Json));
        assert_eq!(config.defaults().limits.wall_clock.as_secs(), 300);
        assert_eq!(Config::parse("").unwrap(), Config::default());
        let errors: Vec<String> = ["prot = 1\n", "max_concurrent = 0\n", "timezone = 'Mars'\n", "port = 99999\n", "x"]
            .map(|text| Config::parse(text).unwrap_err())
            .to_vec();
        insta::assert_snapshot!(errors.join("\n----\n"), @r"
        TOML parse error at line 1, column 1
          |
        1 | prot = 1
          | ^^^^
        unknown field `prot`, expected one of `host`, `port`, `max_concurrent`, `timezone`, `log`, `output_roots`, `shutdown_grace`, `keep`, `limits`
        ----
        `max_concurrent` is 0: no job would ever run; at least 1
        ----
        `timezone`: `Mars` is not an IANA time zone, for example `Europe/Berlin`
        ----
        TOML parse error at line 1, column 8
          |
        1 | port = 99999
          |        ^^^^^
        invalid value: integer `99999`, expected u16
        ----
        TOML parse error at line 1, column 2
          |
        1 | x
          |  ^
        key with no value, expected `=`
        ");
    }
}
