//! What every command needs: the data folder, the daemon that may run there, the streams, the time.

use super::files::JobFiles;
use super::out::{self, Out};
use crate::client::{Address, Client, ClientError};
use crate::config::ConfigError;
use crate::{clock, env};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::PathBuf;

/// What every command needs.
#[derive(Debug)]
pub struct Context {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Standard output.
    pub out: Out,
    /// The zone times are shown in.
    pub zone: TimeZone,
    /// When the command began.
    pub now: Timestamp,
}

/// How jobs are reached.
#[derive(Debug)]
pub enum Reach {
    /// Through the daemon.
    Daemon(Client),
    /// As files: no daemon runs.
    Files(Box<JobFiles>),
}

impl Context {
    /// The context of a command line.
    ///
    /// # Errors
    /// When the current folder, which a relative data folder stands in, is gone.
    pub fn new(data_dir: Option<PathBuf>) -> std::io::Result<Self> {
        let data_dir = std::path::absolute(data_dir.unwrap_or_else(env::data_dir))?;
        Ok(Self { data_dir, out: Out::new(), zone: super::when::zone(), now: clock::now() })
    }

    /// The daemon, for what only it can answer.
    ///
    /// # Errors
    /// When none is known, or there is no token.
    pub fn daemon(&self) -> Result<Client, ClientError> {
        Client::of(&self.data_dir)
    }

    /// The daemon, or the job files where none runs. One that was named but does not answer is an error: its files may
    /// be anywhere.
    ///
    /// # Errors
    /// When the daemon was named and does not answer, its address is none, there is no token, or `config.toml` is not valid.
    pub async fn reach(&self) -> anyhow::Result<Reach> {
        match Address::find(&self.data_dir) {
            Ok(address) if address.answers().await => Ok(Reach::Daemon(Client::new(&address, &self.data_dir)?)),
            Ok(address) if address.named => {
                Err(ClientError::Refused(address.url.as_str().trim_end_matches('/').to_owned()).into())
            }
            Ok(_) | Err(ClientError::NoAddress) => Ok(Reach::Files(Box::new(self.files()?))),
            Err(error) => Err(error.into()),
        }
    }

    /// The job files.
    ///
    /// # Errors
    /// When `config.toml`, which says what jobs get by default, is not valid.
    pub fn files(&self) -> Result<JobFiles, ConfigError> {
        JobFiles::of(&self.data_dir)
    }
}

/// Says that what follows is done on files.
pub fn say_offline(files: &JobFiles) {
    let folder = files.folder().display();
    out::note(&format!("the daemon is not running: working on the files in `{folder}`"));
}
