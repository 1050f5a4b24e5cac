//! A job's grant as a policy in paths of this machine.
//!
//! Paths stay as they were written: whoever builds the sandbox follows their links itself, and mistrusts those that an
//! agent could have made. Here links are followed only to judge: a grant never leads into the data folder, nor, without
//! saying so, to what is always hidden.

mod judge;
mod known;
mod programs;

pub use judge::{NotGranted, Place};

use super::policy::{Enforcement, Policy};
use bog_agent::endpoints;
use bog_agent::presets::Preset;
use bog_domain::containment::NetworkAccess;
use bog_domain::job::Grant;
use bog_domain::spec::{SandboxMode, ShellAccess};
use judge::Judge;
use programs::Search;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What surrounds an attempt.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where the agent works.
    pub working_dir: &'a Path,
    /// The run's folder, `runs/RUN`.
    pub run_dir: &'a Path,
    /// The event that the agent may read.
    pub event_file: &'a Path,
    /// The daemon's data folder.
    pub data_dir: &'a Path,
    /// The home folder.
    pub home: &'a Path,
    /// The agent's environment.
    pub environment: &'a [(OsString, OsString)],
    /// The program to be started, as its job names it.
    pub program: &'a str,
    /// Programs that the agent starts itself, as its job names them.
    pub more_programs: &'a [String],
    /// The program of ours that hosts the agent.
    pub host: Option<&'a Path>,
    /// The folder, in the data folder, in which the agent keeps what outlives the attempt.
    pub state_dir: Option<&'a Path>,
    /// Hosts, as `host:port`, that it talks to besides those of its keys.
    pub hosts: &'a [String],
    /// The working folders of all jobs.
    pub folders: &'a [Place],
    /// Where the secrets of jobs come from: files, credentials, keyrings.
    pub secret_places: &'a [PathBuf],
    /// Ports of this machine that no agent reaches: the daemon's own.
    pub closed_ports: &'a [u16],
}

/// The policy of an attempt. Under [`ShellAccess::Host`] it confines nothing.
///
/// # Errors
/// When a path of the grant leads where no job of its kind gets.
pub fn policy(grant: &Grant, around: &Surroundings<'_>) -> Result<Policy, NotGranted> {
    let enforcement = match (grant.shell, grant.mode) {
        (ShellAccess::Host, SandboxMode::Enforce | SandboxMode::BestEffort) => {
            return Ok(Policy { network: NetworkAccess::Full, ..Policy::default() });
        }
        (ShellAccess::Off | ShellAccess::Sandboxed, SandboxMode::Enforce) => Enforcement::Required,
        (ShellAccess::Off | ShellAccess::Sandboxed, SandboxMode::BestEffort) => Enforcement::BestEffort,
    };
    let secrets = secrets(around);
    let judge = Judge { around, data_dir: Place::of(around.data_dir), secrets: &secrets };
    let mut write = vec![judge.working_dir()?];
    write.extend(judge.all("sandbox.write", &grant.write)?);
    // In the data folder, but this job's alone.
    write.extend(around.state_dir.map(Place::of));
    let mut read: Vec<Place> = system().collect();
    read.extend(judge.all("sandbox.read", &grant.read)?);
    let others = judge.other_folders(&read);
    read.extend(needed(around, &write, &judge, &others));
    read.push(Place::of(around.event_file));
    let mut hidden = vec![judge.data_dir.clone()];
    hidden.extend(visible(&others, &[&write, &read]));
    hidden.extend(secrets.iter().cloned());
    let lookup = |name: &str| variable(around.environment, name)?.to_str().map(str::to_owned);
    Ok(Policy {
        enforcement,
        write: written(write),
        read: written(read),
        hidden: written(hidden),
        private: Some(around.run_dir.join("private")),
        home: home(around).map(Path::to_owned),
        network: grant.network,
        hosts: if grant.network == NetworkAccess::Provider { hosts(around, lookup) } else { Vec::new() },
        closed_ports: around.closed_ports.to_vec(),
    })
}

/// Whom it talks to: whoever its keys are for, and whom it names.
fn hosts(around: &Surroundings<'_>, lookup: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut hosts = endpoints::hosts(lookup);
    hosts.extend(around.hosts.iter().cloned());
    hosts.sort();
    hosts.dedup();
    hosts
}

/// What nobody named and programs need. It is given only where it takes nothing away: neither the right to write, nor the
/// cover of what is hidden. A program that the job itself names it gets from another job's folder too.
fn needed(around: &Surroundings<'_>, write: &[Place], judge: &Judge<'_>, others: &[&Place]) -> Vec<Place> {
    let search = Search {
        path: variable(around.environment, "PATH"),
        working_dir: around.working_dir,
        home: home(around),
        data_dir: around.data_dir,
    };
    let programs = std::iter::once(around.program).chain(around.more_programs.iter().map(String::as_str));
    let files: Vec<PathBuf> = programs.filter(|name| !name.is_empty()).filter_map(|name| search.find(name)).collect();
    let of_others = |place: &Place| others.iter().any(|folder| folder.holds(place));
    let tools = tools(around, &search, &files).map(|path| Place::of(&path)).filter(|place| !of_others(place));
    let program = files.iter().map(PathBuf::as_path).chain(around.host);
    let program = program.flat_map(|file| [Some(file.to_owned()), file.canonicalize().ok()]).flatten();
    let found = tools.chain(program.map(|path| Place::of(&path)));
    found.filter(|place| !judge.is_hidden(place) && !write.iter().any(|written| written.holds(place))).collect()
}

/// Of other jobs' folders those that would be seen within what is granted.
fn visible(folders: &[&Place], granted: &[&[Place]]) -> Vec<Place> {
    let granted: HashSet<&Path> = granted.iter().copied().flatten().flat_map(Place::both).collect();
    let seen =
        |folder: &&&Place| folder.both().iter().any(|path| path.ancestors().any(|above| granted.contains(above)));
    folders.iter().filter(seen).map(|folder| (*folder).clone()).collect()
}

/// Where users have their own; the root folder is no home.
fn home<'a>(around: &Surroundings<'a>) -> Option<&'a Path> {
    Some(around.home).filter(|home| home.parent().is_some())
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn system() -> impl Iterator<Item = Place> {
    known::SYSTEM.iter().map(Path::new).filter(|path| exists(path)).map(Place::of)
}

/// What is hidden from every job that does not name it, and exists.
fn secrets(around: &Surroundings<'_>) -> Vec<Place> {
    let of_home = home(around).into_iter().flat_map(|home| known::HOME_SECRETS.iter().map(|name| home.join(name)));
    let of_system = known::SYSTEM_SECRETS.iter().map(PathBuf::from);
    let of_jobs = around.secret_places.iter().cloned();
    let paths = of_home.chain(of_system).chain(of_jobs).filter(|path| exists(path)).chain(ssh_host_keys());
    paths.map(|path| Place::of(&path)).collect()
}

fn ssh_host_keys() -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(known::SSH_HOST_KEYS).into_iter().flatten().flatten();
    let is_key = |name: &str| name.starts_with("ssh_host_") && name.ends_with("_key");
    entries.filter(move |entry| entry.file_name().to_str().is_some_and(is_key)).map(|entry| entry.path())
}

/// The tools of the home folder, what variables and `PATH` name, what belongs to the program, and the settings of an
/// agent that is known.
fn tools(around: &Surroundings<'_>, search: &Search<'_>, files: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    let name = Path::new(around.program).file_name().and_then(OsStr::to_str);
    let settings = name.and_then(Preset::of_program).map(Preset::configuration).unwrap_or_default();
    let names = known::HOME_TOOLS.iter().chain(settings);
    let mut found: Vec<PathBuf> =
        home(around).into_iter().flat_map(|home| names.clone().map(|name| home.join(name))).collect();
    let variables = known::TOOL_VARIABLES.iter().filter_map(|name| variable(around.environment, name));
    found.extend(variables.filter_map(|value| search.of_variable(value)));
    found.extend(search.of_path());
    found.extend(files.iter().filter_map(|file| search.around(file)));
    found.into_iter().filter(|path| exists(path))
}

fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_os_str())
}

/// The paths as written, each once.
fn written(places: Vec<Place>) -> Vec<PathBuf> {
    let mut known = HashSet::new();
    places.into_iter().map(|place| place.written).filter(|path| known.insert(path.clone())).collect()
}

#[cfg(test)]
mod tests;
