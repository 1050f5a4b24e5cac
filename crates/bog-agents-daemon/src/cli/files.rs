//! The job files, for when no daemon runs: the daemon takes them as they are at its next start.

use super::exit::{conflict, not_found};
use crate::config::{Config, ConfigError};
use crate::jobs::file;
use anyhow::Context as _;
use bog_domain::error::SpecError;
use bog_domain::ids::JobId;
use bog_domain::job::{Defaults, Job};
use bog_domain::spec::{JobSpec, yaml};
use jiff::Timestamp;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The folder of job files.
#[derive(Debug)]
pub struct JobFiles {
    folder: PathBuf,
    defaults: Box<Defaults>,
}

/// A job file that was read.
#[derive(Debug)]
pub struct JobFile {
    /// Its text.
    pub text: String,
    /// The job as written, checked; or what is wrong with it.
    pub job: Result<(JobSpec, Job), SpecError>,
}

impl JobFiles {
    /// The job files of a data folder, and what its daemon gives a job that says nothing.
    ///
    /// # Errors
    /// When `config.toml` is not valid.
    pub fn of(data_dir: &Path) -> Result<Self, ConfigError> {
        Ok(Self { folder: data_dir.join("jobs"), defaults: Box::new(Config::load(data_dir)?.defaults(data_dir)) })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a job's file is.
    #[must_use]
    pub fn path(&self, id: &JobId) -> PathBuf {
        self.folder.join(format!("{id}.yaml"))
    }

    /// Reads a job's file.
    ///
    /// # Errors
    /// When there is none, or it cannot be read. One that is not valid is no error here.
    pub fn read(&self, id: &JobId) -> anyhow::Result<JobFile> {
        let path = self.path(id);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(JobFile { job: self.check(id, &text), text }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(no_job(id)),
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        }
    }

    /// The ids of all job files, in order, and the names of those that are none.
    ///
    /// # Errors
    /// When the folder cannot be read; one that is not there is empty.
    pub fn ids(&self) -> anyhow::Result<(Vec<JobId>, Vec<String>)> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
            Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", self.folder.display())),
        };
        let (mut ids, mut strangers) = (Vec::new(), Vec::new());
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(stem) = name.strip_suffix(".yaml").filter(|_| !name.starts_with('.')) else { continue };
            match stem.parse() {
                Ok(id) => ids.push(id),
                Err(_) => strangers.push(name),
            }
        }
        ids.sort();
        strangers.sort();
        Ok((ids, strangers))
    }

    /// Writes a new job's file.
    ///
    /// # Errors
    /// When there is one already, or it cannot be written.
    pub fn create(&self, id: &JobId, text: &str) -> anyhow::Result<()> {
        let path = self.path(id);
        if path.exists() {
            return Err(conflict(format!(
                "there is a job `{id}` already (`{}`): choose another with `--id`, or change it with `job edit {id}`",
                path.display()
            )));
        }
        file::create_private_folder(&self.folder)
            .with_context(|| format!("`{}` cannot be made", self.folder.display()))?;
        self.write(id, text)
    }

    /// Replaces a job's file, unless it is no longer what it was.
    ///
    /// # Errors
    /// When it was changed or removed meanwhile, or cannot be written.
    pub fn replace(&self, id: &JobId, was: &str, text: &str) -> anyhow::Result<()> {
        if self.read(id)?.text != was {
            return Err(conflict(format!("`{}` was changed meanwhile: try again", self.path(id).display())));
        }
        self.write(id, text)
    }

    /// Removes a job's file.
    ///
    /// # Errors
    /// When there is none, or it cannot be removed.
    pub fn remove(&self, id: &JobId) -> anyhow::Result<()> {
        let path = self.path(id);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_job(id)),
            Err(error) => return Err(error).with_context(|| format!("`{}` cannot be removed", path.display())),
        }
        sync_folder(&self.folder).with_context(|| format!("`{}` cannot be synced", self.folder.display()))
    }

    /// Reads and checks a job's text; errors say where in it.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn check(&self, id: &JobId, text: &str) -> Result<(JobSpec, Job), SpecError> {
        let spec = yaml::parse(text)?;
        let job = self.parse(id, &spec).map_err(|error| error.located_in(text))?;
        Ok((spec, job))
    }

    /// Checks a job as written.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn parse(&self, id: &JobId, spec: &JobSpec) -> Result<Job, SpecError> {
        Job::parse(id.clone(), spec, &self.defaults)
    }

    fn write(&self, id: &JobId, text: &str) -> anyhow::Result<()> {
        let path = self.path(id);
        file::write_durably(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))
    }
}

/// A job's next slots, soonest first, as they will be if its triggers begin now.
#[must_use]
pub fn next_slots(job: &Job, now: Timestamp, count: usize) -> Vec<crate::api::wire::NextSlot> {
    let mut slots = Vec::new();
    for trigger in job.triggers.iter().filter(|_| job.enabled) {
        let Some(schedule) = trigger.schedule(now) else { continue };
        let mut after = now;
        for _ in 0..count {
            let Some(at) = schedule.next_after(after) else { break };
            slots.push(crate::api::wire::NextSlot { trigger: trigger.id.to_string(), kind: trigger.kind, at });
            after = at;
        }
    }
    slots.sort_by_key(|slot| slot.at);
    slots.truncate(count);
    slots
}

fn no_job(id: &JobId) -> anyhow::Error {
    not_found(format!("there is no job `{id}`: `bog-agents-daemon job list` shows those there are"))
}

/// Makes a removal durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) { std::fs::File::open(path)?.sync_all() } else { Ok(()) }
}
