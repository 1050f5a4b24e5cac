//! Preparing an attempt: its folder, the rendered prompt, the command, the environment. Nothing is claimed yet, so an
//! attempt that cannot be prepared for lack of space costs nothing.

use super::Dispatcher;
use super::contain::{Held, Wanted, tree_limits};
use super::hosted::{self, Said};
use super::spending::{Spending, Verdict};
use crate::runner::handle::{self as runner, Speaks};
use crate::store::{Ready, Reserve, StoreError};
use crate::{context, env};
use bog_domain::job::{Agent, GATE_OUTPUT, Gate, Job};
use bog_domain::run::Outcome;
use serde_json::Value;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// How an argument names the prompt.
const PROMPT: [&str; 2] = ["{{prompt}}", "{{ prompt }}"];

/// An attempt that is ready to be claimed.
pub(super) enum Prepared {
    /// Its folder is written; the runner can be started.
    Runner { dir: PathBuf, spec: Box<runner::AttemptSpec>, env: Vec<(OsString, OsString)>, reserve: Reserve },
    /// What it may spend is set aside for others: the run waits.
    NotYet,
    /// It may not spend anything now: the run is paused.
    OverBudget { error: String },
    /// It cannot be started, and trying again at once would not help: the run's record says why.
    Impossible { outcome: Outcome, error: String },
}

impl Prepared {
    /// What is to be set aside for it.
    pub(super) fn reserve(&self) -> Reserve {
        match self {
            Self::Runner { reserve, .. } => *reserve,
            Self::NotYet | Self::OverBudget { .. } | Self::Impossible { .. } => Reserve::default(),
        }
    }
}

/// Why an attempt could not be prepared for now.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotNow {
    /// The ledger cannot be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The attempt's folder cannot be written.
    #[error("the run's folder cannot be written: {0}")]
    Folder(#[from] io::Error),
}

/// What is the matter with a job that cannot be started.
fn impossible(outcome: Outcome, error: impl ToString) -> Prepared {
    Prepared::Impossible { outcome, error: error.to_string() }
}

impl Dispatcher {
    /// The folder of an attempt.
    pub(super) fn attempt_dir(&self, run: bog_domain::ids::RunId, attempt: u32) -> PathBuf {
        self.run_dir(run).join(attempt.to_string())
    }

    pub(super) fn run_dir(&self, run: bog_domain::ids::RunId) -> PathBuf {
        self.data_dir.join("runs").join(run.to_string())
    }

    pub(super) async fn prepare(&self, ready: &Ready, job: &Job) -> Result<Prepared, NotNow> {
        let attempt = ready.run.attempt + 1;
        let gate = self.gate_before(ready, Some(job)).await;
        let context = context::of_run(&self.store, &ready.run, job, attempt).await?;
        let prompt = job.prompt.as_ref().filter(|_| gate.is_none());
        let prompt = match prompt.map(|prompt| prompt.render(&context)).transpose() {
            Ok(prompt) => prompt,
            Err(error) => return Ok(impossible(Outcome::Failed, format!("`prompt`: {error}"))),
        };
        let working_dir = match self.working_dir(ready, job)? {
            Ok(dir) => dir,
            Err(error) => return Ok(impossible(Outcome::StartFailed, error)),
        };
        let hosted = if gate.is_some() { None } else { self.hosted(ready, job).await? };
        let wanted = match &hosted {
            Some(hosted) => self.wanted(job, hosted),
            None => Wanted { program: program(job, gate, prompt.as_deref()), ..Wanted::default() },
        };
        let held = self.contain(ready.run.id, attempt, job, working_dir.clone(), wanted).await?;
        let Held { env, masked, policy } = match held {
            Ok(held) => held,
            Err(error) => return Ok(impossible(Outcome::StartFailed, error)),
        };
        let spending = match hosted.as_ref().map(|_| self.spending(ready, job)) {
            None => Spending::default(),
            Some(spending) => match spending.await? {
                Verdict::May(spending) => spending,
                Verdict::NotYet => return Ok(Prepared::NotYet),
                Verdict::MayNot(error) => return Ok(Prepared::OverBudget { error }),
            },
        };
        let (command, stdin) = match &hosted {
            None => command(job, gate, prompt),
            Some(hosted) => {
                let said = Said { prompt: prompt.unwrap_or_default(), context: &context, working_dir: &working_dir };
                let bounds = (spending.allowance, masked.clone());
                match self.instructions(ready, job, hosted, said, bounds).await? {
                    Ok(told) => (hosted::command(), Some(told.line().map_err(io::Error::other)?)),
                    Err(error) => return Ok(impossible(Outcome::Failed, error)),
                }
            }
        };
        let spec = runner::AttemptSpec {
            version: runner::VERSION,
            run_id: ready.run.id,
            job_id: job.id.clone(),
            attempt,
            epoch: self.epoch.number,
            command,
            stdin,
            working_dir,
            wall_clock_ms: millis(gate.map_or(job.limits.wall_clock, |gate| gate.timeout)),
            grace_ms: millis(job.limits.grace),
            output_bytes: gate.map_or(job.limits.output_bytes, |_| GATE_OUTPUT),
            mask_env: masked,
            socket: runner::socket_path(ready.run.id, attempt)?,
            lease_until: None,
            limits: tree_limits(&job.limits),
            sandbox: policy,
            instance: self.instance.clone(),
            cgroup: self.cgroups.as_ref().map(|groups| groups.group(ready.run.id, attempt)),
            speaks: if hosted.is_some() { Speaks::Host } else { Speaks::Text },
        };
        if let Some(groups) = self.cgroups.clone() {
            crate::tasks::aside(move || groups.warm());
        }
        let dir = self.attempt_dir(ready.run.id, attempt);
        write_folder(dir.clone(), spec.clone(), context["event"].clone()).await?;
        Ok(Prepared::Runner { dir, spec: Box::new(spec), env, reserve: spending.reserve })
    }

    /// The job's folder, or the run's own where it names none.
    fn working_dir(&self, ready: &Ready, job: &Job) -> io::Result<Result<PathBuf, String>> {
        let Some(written) = &job.working_dir else {
            let own = self.run_dir(ready.run.id).join("work");
            crate::jobs::file::create_private_folder(&own)?;
            return Ok(Ok(own));
        };
        let dir = env::expand_home(written);
        Ok(if dir.is_dir() { Ok(dir) } else { Err(missing(written, &dir)) })
    }
}

fn missing(written: &str, dir: &Path) -> String {
    let what = if dir.exists() { "is no folder" } else { "does not exist" };
    format!("`working_dir`: `{written}` {what}: make it, or change the job")
}

async fn write_folder(dir: PathBuf, spec: runner::AttemptSpec, event: Value) -> io::Result<()> {
    let write = move || {
        // What is left of an attempt that was prepared and never claimed; nothing ever ran in it.
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        runner::prepare(&dir, &spec, &event)
    };
    crate::tasks::blocking(write).await.map_err(io::Error::other)?
}

/// Program and arguments of a gate or of a command agent, and what it reads.
fn command(job: &Job, gate: Option<&Gate>, prompt: Option<String>) -> (Vec<String>, Option<String>) {
    match (gate, &job.agent) {
        (Some(gate), _) => (gate.command.clone(), None),
        (None, Agent::Command(argv)) => with_prompt(argv, prompt),
        (None, Agent::Builtin | Agent::Preset(_) | Agent::Acp(_)) => (Vec::new(), prompt),
    }
}

/// The program that is started, with the prompt where it names that.
fn program(job: &Job, gate: Option<&Gate>, prompt: Option<&str>) -> String {
    command(job, gate, prompt.map(str::to_owned)).0.first().cloned().unwrap_or_default()
}

/// The prompt takes the place of `{{prompt}}` in the arguments, else it comes on standard input. It is put in as it is,
/// in one pass: a prompt that contains `{{prompt}}` is not looked into.
fn with_prompt(argv: &[String], prompt: Option<String>) -> (Vec<String>, Option<String>) {
    let named = argv.iter().any(|argument| PROMPT.iter().any(|name| argument.contains(name)));
    if !named {
        return (argv.to_vec(), prompt);
    }
    let prompt = prompt.unwrap_or_default();
    let fill = |argument: &String| {
        let same = argument.replace(PROMPT[1], PROMPT[0]);
        same.split(PROMPT[0]).collect::<Vec<_>>().join(&prompt)
    };
    (argv.iter().map(fill).collect(), None)
}

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_goes_into_arguments_or_to_stdin() {
        let argv = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let prompt = || Some("a {{prompt}} b".to_owned());
        assert_eq!(with_prompt(&argv(&["cat"]), prompt()), (argv(&["cat"]), prompt()));
        let filled = with_prompt(&argv(&["x", "-p={{ prompt }}", "{{prompt}}"]), prompt());
        assert_eq!(filled, (argv(&["x", "-p=a {{prompt}} b", "a {{prompt}} b"]), None));
        assert_eq!(with_prompt(&argv(&["true"]), None), (argv(&["true"]), None));
    }
}
