//! What an attempt is held to: its job's grant at the tier of what fired it, as an environment, a policy in paths of this
//! machine, and limits.

use super::Dispatcher;
use super::prepare::NotNow;
use super::variables::Variables;
use crate::env;
use crate::runner::handle::{EVENT_FILE, TreeLimits, socket_dir};
use crate::sandbox::paths::{self, Surroundings};
use crate::sandbox::policy::Policy;
use bog_domain::ids::RunId;
use bog_domain::job::{Grant, Job, Limits};
use secrecy::ExposeSecret;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// What an agent needs of the sandbox besides what its job grants.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The program to be started, as its job names it; empty for an agent that is none.
    pub program: String,
    /// Programs that the agent starts itself.
    pub more_programs: Vec<String>,
    /// The program of ours that hosts it.
    pub host: Option<PathBuf>,
    /// The variables of its models.
    pub variables: Variables,
    /// Variables that are set for it.
    pub set: Vec<(&'static str, String)>,
    /// The folder in which it keeps what outlives the attempt.
    pub state_dir: Option<PathBuf>,
}

/// What an attempt is held to.
pub(super) struct Held {
    /// All that the agent finds in its environment, besides what the runner adds.
    pub env: Vec<(OsString, OsString)>,
    /// Names of the variables whose values are masked in what it says.
    pub masked: Vec<String>,
    /// What it may touch.
    pub policy: Policy,
}

impl Dispatcher {
    /// What the attempt of a run is held to that works in `working_dir` and needs what is `wanted`.
    pub(super) async fn contain(
        &self,
        run: RunId,
        attempt: u32,
        job: &Job,
        working_dir: PathBuf,
        wanted: Wanted,
    ) -> Result<Result<Held, String>, NotNow> {
        let grant = job.grant_at(self.store.tier_of(run).await?);
        let secrets = match self.secrets.get_all(&grant.secrets).await {
            Ok(secrets) => secrets,
            Err(error) => return Ok(Err(error.to_string())),
        };
        // Without any of the job's secrets: one that is not granted is not passed because `env` names it too.
        let mut env = env::for_agent(&job.env, &job.secrets);
        env.extend(secrets.into_iter().map(|(name, value)| (name.into(), value.expose_secret().into())));
        env.push((env::CAUSE.into(), self.store.cause_by(run).await?.to_header().into()));
        let known = |env: &[(OsString, OsString)], name: &OsString| env.iter().any(|(of, _)| of == name);
        for (name, value) in self.values(&wanted.variables).await {
            if !known(&env, &name) {
                env.push((name, value));
            }
        }
        for (name, value) in &wanted.set {
            env.retain(|(of, _)| of != name);
            env.push((name.into(), value.into()));
        }
        let mut masked = self.masked(job, &grant);
        masked.extend(wanted.variables.secrets.iter().filter(|name| !grant.secrets.contains(name)).cloned());
        let folders = self.folders.get(&self.store, &self.jobs).await?;
        let (run_dir, attempt_dir) = (self.run_dir(run), self.attempt_dir(run, attempt));
        let (data_dir, api_port, mut secret_places) = (self.data_dir.clone(), self.api_port, self.secrets.places());
        // Whoever may connect there cancels other runs.
        secret_places.extend(socket_dir().ok());
        let build = move || {
            let around = Surroundings {
                working_dir: &working_dir,
                run_dir: &run_dir,
                event_file: &attempt_dir.join(EVENT_FILE),
                data_dir: &data_dir,
                home: &env::home_dir(),
                environment: &env,
                program: &wanted.program,
                more_programs: &wanted.more_programs,
                host: wanted.host.as_deref(),
                state_dir: wanted.state_dir.as_deref(),
                hosts: &wanted.variables.hosts,
                folders: &folders,
                secret_places: &secret_places,
                closed_ports: &[api_port],
            };
            let policy = paths::policy(&grant, &around).map_err(|error| error.to_string())?;
            Ok(Held { env, masked, policy })
        };
        Ok(crate::tasks::blocking(build).await.map_err(io::Error::other)?)
    }

    /// The variables whose values are masked in what the agent says: also where this job calls plain what is another's
    /// secret.
    fn masked(&self, job: &Job, grant: &Grant) -> Vec<String> {
        let also = job.env.iter().filter(|name| self.secrets.is_named(name) && !grant.secrets.contains(name));
        grant.secrets.iter().chain(also).cloned().collect()
    }
}

/// A job's limits for the tree of an attempt.
pub(super) fn tree_limits(limits: &Limits) -> TreeLimits {
    TreeLimits {
        memory_bytes: Some(limits.memory_bytes),
        cpu_millis: limits.cpu_millis,
        cpu_time_ms: limits.cpu_time.map(super::prepare::millis),
        pids: Some(limits.pids),
        open_files: Some(limits.open_files),
        disk_bytes: Some(limits.disk_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::job::Defaults;
    use bog_domain::spec::yaml;

    #[test]
    fn every_limit_reaches_the_tree() {
        let text = "agent: {command: [x]}\nlimits: {memory: 16MiB, cpu: 0.5, cpu_seconds: 2, pids: 4, open_files: 16, \
                    disk: 1MiB}\n";
        let job = Job::parse("j".parse().unwrap(), &yaml::parse(text).unwrap(), &Defaults::default()).unwrap();
        let limits = TreeLimits {
            memory_bytes: Some(16 << 20),
            cpu_millis: Some(500),
            cpu_time_ms: Some(2000),
            pids: Some(4),
            open_files: Some(16),
            disk_bytes: Some(1 << 20),
        };
        assert_eq!(tree_limits(&job.limits), limits);
    }
}
