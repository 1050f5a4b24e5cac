//! What an attempt is held to: its job's grant at the tier of what fired it, as an environment, a policy in paths of this
//! machine, and limits.

use super::Dispatcher;
use super::prepare::NotNow;
use crate::env;
use crate::runner::handle::{EVENT_FILE, TreeLimits};
use crate::sandbox::paths::{self, NotGranted, Surroundings};
use crate::sandbox::policy::Policy;
use bog_domain::ids::RunId;
use bog_domain::job::{Grant, Job, Limits};

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// What an attempt is held to.
pub(super) struct Held {
    /// All that the agent finds in its environment, besides what the runner adds.
    pub env: Vec<(OsString, OsString)>,
    /// Names of its secrets.
    pub secrets: Vec<String>,
    /// What it may touch.
    pub policy: Policy,
}

impl Dispatcher {
    /// What the attempt of a run is held to that works in `working_dir` and starts `program`.
    pub(super) async fn contain(
        &self,
        run: RunId,
        attempt: u32,
        job: &Job,
        working_dir: PathBuf,
        program: String,
    ) -> Result<Result<Held, NotGranted>, NotNow> {
        let grant = job.grant_at(self.store.tier_of(run).await?);
        let env = env::for_agent(&names(job, &grant));
        let folders = self.folders.get(&self.store, &self.jobs).await?;
        let (run_dir, attempt_dir) = (self.run_dir(run), self.attempt_dir(run, attempt));
        let data_dir = self.data_dir.clone();
        let build = move || {
            let around = Surroundings {
                working_dir: &working_dir,
                run_dir: &run_dir,
                event_file: &attempt_dir.join(EVENT_FILE),
                data_dir: &data_dir,
                home: &env::home_dir(),
                environment: &env,
                program: &program,
                folders: &folders,
            };
            let policy = paths::policy(&grant, &around)?;
            Ok(Held { env, secrets: grant.secrets, policy })
        };
        Ok(crate::tasks::blocking(build).await.map_err(io::Error::other)?)
    }
}

/// Names of the variables that the agent gets besides the usual ones. A secret that is not granted is not passed because
/// `env` names it too.
fn names(job: &Job, grant: &Grant) -> Vec<String> {
    let withheld = |name: &String| job.secrets.contains(name) && !grant.secrets.contains(name);
    job.env.iter().filter(|name| !withheld(name)).chain(&grant.secrets).cloned().collect()
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
    use bog_domain::fire::Tier;
    use bog_domain::job::Defaults;
    use bog_domain::spec::yaml;

    #[test]
    fn a_secret_that_is_withheld_is_not_passed_by_another_name() {
        let text = "agent: {command: [x]}\nenv: [LANG, GITHUB_TOKEN]\nsecrets: [GITHUB_TOKEN]\n";
        let job = Job::parse("j".parse().unwrap(), &yaml::parse(text).unwrap(), &Defaults::default()).unwrap();
        let at = |tier| names(&job, &job.grant_at(tier));
        assert_eq!(at(Tier::Operator), ["LANG", "GITHUB_TOKEN", "GITHUB_TOKEN"]);
        assert_eq!(at(Tier::Event), ["LANG"]);
    }

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
