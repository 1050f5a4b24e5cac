//! What the host of an agent is told that speaks a protocol: which agent, what it is asked, and within what bounds.

use super::Dispatcher;
use super::contain::Wanted;
use super::prepare::{NotNow, millis};
use super::variables::host_of;
use crate::acp::HOST;
use crate::acp::instructions::{self, Dialect, Instructions, Kind, Server, Started, Transport};
use crate::env;
use crate::store::Ready;
use bog_agent::presets::{Preset, Speaks};
use bog_agent::session::{self, Ask, Budget, Settings};
use bog_domain::containment::NetworkAccess;
use bog_domain::fire::Tier;
use bog_domain::job::{Agent, Grant, GrantPath, Job, McpTransport, Thread};
use bog_domain::spec::ShellAccess;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// How long an agent may take until it can be talked to: some start a runtime and look for updates first.
const START_MS: u64 = 120_000;

/// An agent that a host is started for.
pub(super) struct Hosted {
    kind: Kind,
    /// What is to be set in its environment.
    variables: Vec<(&'static str, String)>,
    /// Where it keeps what outlives the attempt.
    state_dir: PathBuf,
}

/// What a run has to say, rendered.
pub(super) struct Said<'a> {
    /// The prompt.
    pub prompt: String,
    /// What templates see.
    pub context: &'a Value,
    /// Where it works.
    pub working_dir: &'a Path,
}

/// What a run may spend in all.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Allowance {
    /// US dollars.
    pub usd: Option<f64>,
    /// Tokens.
    pub tokens: Option<u64>,
}

impl Dispatcher {
    /// The host of a job's agent; `None` for a command.
    pub(super) async fn hosted(&self, ready: &Ready, job: &Job) -> Result<Option<Hosted>, NotNow> {
        let contained = job.grant.shell != ShellAccess::Host;
        let (kind, variables) = match &job.agent {
            Agent::Command(_) => return Ok(None),
            Agent::Builtin => (Kind::Builtin, Vec::new()),
            Agent::Acp(command) => (Kind::Acp { command: command.clone() }, Vec::new()),
            Agent::Preset(name) => {
                let preset: Preset = name.parse().map_err(io::Error::other)?;
                // The daemon's own model is the built-in agent's: other makers' programs have theirs.
                let model = job.talk.models.first().map(String::as_str);
                let start = preset.start(model, contained, |program| env::program(program).is_some());
                let stream =
                    |dialect| Kind::Stream(Started { command: start.command.clone(), prompt_on_stdin: true, dialect });
                let kind = match start.speaks {
                    Speaks::Acp => Kind::Acp { command: start.command.clone() },
                    Speaks::Claude => stream(Dialect::Claude),
                    Speaks::Codex => stream(Dialect::Codex),
                };
                (kind, start.variables)
            }
        };
        let state_dir = match job.talk.thread {
            Thread::Fresh => self.run_dir(ready.run.id).join("state"),
            // What an event said to a conversation is not to be gone on with by a run that may do more.
            Thread::Linked => self.job_state(ready, self.store.tier_of(ready.run.id).await?),
            Thread::Session(_) => self.job_state(ready, Tier::Operator),
        };
        crate::jobs::file::create_private_folder(&state_dir)?;
        Ok(Some(Hosted { kind, variables, state_dir }))
    }

    /// Where what is said in one run is kept for the next.
    fn job_state(&self, ready: &Ready, tier: Tier) -> PathBuf {
        let tier = match tier {
            Tier::Operator => "operator",
            Tier::Event => "event",
        };
        self.data_dir.join("jobs-state").join(ready.run.job_uid.to_string()).join(tier)
    }

    /// What the host is told, and the grant that this follows from.
    pub(super) async fn instructions(
        &self,
        ready: &Ready,
        job: &Job,
        hosted: &Hosted,
        said: Said<'_>,
        (allowance, masked): (Allowance, Vec<String>),
    ) -> Result<Result<Instructions, String>, NotNow> {
        if let (Kind::Stream(started), Thread::Linked | Thread::Session(_)) = (&hosted.kind, &job.talk.thread) {
            return Ok(Err(cannot_go_on(started)));
        }
        let tier = self.store.tier_of(ready.run.id).await?;
        let grant = job.grant_at(tier);
        let mark = crate::clock::new_id().simple().to_string();
        let steps = match steps(job, said.context, &mark) {
            Ok(steps) => steps,
            Err(error) => return Ok(Err(error)),
        };
        let event = match tier {
            Tier::Event => Some(said.context["event"].clone()),
            Tier::Operator => None,
        };
        let settings = Settings {
            pipeline: steps,
            step_mark: Some(mark),
            event,
            budget: Budget { usd: allowance.usd, tokens: allowance.tokens },
            mask_env: masked,
            ..self.settings(job, &grant, hosted, said.working_dir)
        };
        Ok(Ok(Instructions {
            v: instructions::VERSION,
            run: ready.run.id.to_string(),
            agent: hosted.kind.clone(),
            prompt: said.prompt,
            working_dir: said.working_dir.to_owned(),
            home: env::home_dir(),
            settings,
            mcp: self.servers(job).map(server).collect(),
            permissions: job.talk.permissions.clone(),
            contained: grant.shell != ShellAccess::Host,
            // With no network there is nothing to keep them from, and programs may speak to each other.
            tools_offline: grant.network == NetworkAccess::Provider,
            session: match &job.talk.thread {
                Thread::Session(id) => Some(id.clone()),
                Thread::Fresh | Thread::Linked => None,
            },
            memory: Some(hosted.state_dir.clone()),
            idle_ms: millis(job.talk.idle),
            start_ms: millis(job.talk.idle).min(START_MS),
            output_bytes: job.limits.output_bytes,
        }))
    }

    fn settings(&self, job: &Job, grant: &Grant, hosted: &Hosted, working_dir: &Path) -> Settings {
        let home = env::home_dir();
        let resolve = |paths: &[GrantPath]| -> Vec<PathBuf> {
            paths.iter().filter_map(|path| path.resolve(Some(working_dir), Some(&home))).collect()
        };
        let contained = grant.shell != ShellAccess::Host;
        Settings {
            models: self.models(job).to_vec(),
            providers: self.agents.providers.clone(),
            prices: self.agents.prices.clone(),
            shell: grant.shell != ShellAccess::Off,
            fetch: grant.network == NetworkAccess::Full,
            read: resolve(&grant.read),
            write: resolve(&grant.write),
            state_dir: Some(hosted.state_dir.clone()),
            skills: resolve(&job.talk.skills),
            max_steps: job.talk.max_steps,
            max_context_tokens: job.talk.max_context_tokens,
            effort: job.talk.effort.clone(),
            mcp: self
                .servers(job)
                .map(|server| {
                    let wanted = session::Mcp { required: server.required, tools: server.tools.clone() };
                    (server.name.clone(), wanted)
                })
                .collect(),
            // With no rule to ask, and a sandbox around it, every answer would be yes.
            ask: if job.talk.permissions.is_empty() && contained { Ask::Nothing } else { Ask::Everything },
            ..Settings::default()
        }
    }

    /// The MCP servers of a job: its own, and the daemon's that it does not name itself.
    fn servers<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = &'a bog_domain::job::Mcp> {
        let own = |name: &str| job.talk.mcp.iter().any(|server| server.name == name);
        job.talk.mcp.iter().chain(self.agents.mcp.iter().filter(move |server| !own(&server.name)))
    }

    /// What the host and its agent need of the sandbox.
    pub(super) fn wanted(&self, job: &Job, hosted: &Hosted) -> Wanted {
        let mut variables = self.variables(job);
        let mut more = Vec::new();
        for server in self.servers(job) {
            match &server.transport {
                McpTransport::Stdio { command, .. } => more.extend(command.first().cloned()),
                McpTransport::Http { url, .. } => variables.hosts.extend(host_of(url)),
            }
        }
        let program = match &hosted.kind {
            Kind::Builtin => String::new(),
            Kind::Acp { command } | Kind::Stream(Started { command, .. }) => {
                command.first().cloned().unwrap_or_default()
            }
        };
        Wanted {
            program,
            more_programs: more,
            host: Some(env::own_program()),
            variables,
            set: hosted.variables.clone(),
            state_dir: Some(hosted.state_dir.clone()),
        }
    }
}

fn cannot_go_on(started: &Started) -> String {
    let instead = match started.dialect {
        Dialect::Claude => ", or install its adapter `claude-agent-acp`",
        Dialect::Codex => "",
    };
    let program = started.command.first().map_or("", String::as_str);
    format!("`continue`: `{program}` begins a conversation of its own every time; take it out{instead}")
}

/// The steps of a job's pipeline, rendered: what an event brought says nothing about results, as it cannot know the mark.
fn steps(job: &Job, context: &Value, mark: &str) -> Result<Vec<session::Step>, String> {
    let mut context = context.clone();
    context["steps"] = Value::Object(serde_json::Map::new());
    let mut steps = Vec::new();
    for step in &job.talk.pipeline {
        let prompt =
            step.prompt.render(&context).map_err(|error| format!("`pipeline`: step `{}`: {error}", step.name))?;
        context["steps"][&step.name] = Value::String(Settings::place(mark, &step.name));
        steps.push(session::Step { name: step.name.clone(), prompt });
    }
    Ok(steps)
}

/// The command that starts a host.
pub(super) fn command() -> Vec<String> {
    vec![env::own_program().to_string_lossy().into_owned(), HOST.to_owned()]
}

fn server(server: &bog_domain::job::Mcp) -> Server {
    let transport = match &server.transport {
        McpTransport::Stdio { command, env } => Transport::Stdio { command: command.clone(), env: env.clone() },
        McpTransport::Http { url, headers } => Transport::Http { url: url.clone(), headers: headers.clone() },
    };
    Server { name: server.name.clone(), transport, required: server.required }
}
