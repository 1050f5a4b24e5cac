//! What an agent that speaks a protocol is told besides its prompt, checked.

use super::{Agent, Job, ModelDefaults, env_name, template};
use crate::error::SpecError;
use crate::fire::TriggerKind;
use crate::job::GrantPath;
use crate::permission::Rule;
use crate::spec::{ContinueSpec, JobSpec, McpSpec};
use crate::template::{Scope, Template};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an agent may say nothing where its job does not say.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(10 * 60);

/// What an agent is told besides its prompt.
#[derive(Debug, Clone)]
pub struct Talk {
    /// Models, as `provider:model`, the first that answers is used; none: the daemon's.
    pub models: Vec<String>,
    /// Model calls after which it ends.
    pub max_steps: Option<u32>,
    /// What runs may spend.
    pub budget: Budget,
    /// MCP servers.
    pub mcp: Vec<Mcp>,
    /// Folders with skills.
    pub skills: Vec<GrantPath>,
    /// Steps after the prompt.
    pub pipeline: Vec<Step>,
    /// What it may do.
    pub permissions: Vec<Rule>,
    /// In which conversation its runs are.
    pub thread: Thread,
    /// How long it may say nothing at all.
    pub idle: Duration,
    /// How hard the model is to think.
    pub effort: Option<String>,
    /// Size of the context in tokens from which it is compacted.
    pub max_context_tokens: Option<u64>,
}

/// What runs may spend; `None` is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// US dollars for one run.
    pub run_usd: Option<f64>,
    /// US dollars for all runs of one day.
    pub daily_usd: Option<f64>,
    /// Tokens for one run.
    pub tokens: Option<u64>,
}

/// An MCP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mcp {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub transport: McpTransport,
    /// Whether a run fails without it.
    pub required: bool,
    /// Which of its tools may be used, as globs.
    pub tools: Option<Vec<String>>,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum McpTransport {
    /// It is started, and speaks over its standard streams.
    Stdio {
        /// Program and arguments.
        command: Vec<String>,
        /// Names of the variables it is given.
        env: Vec<String>,
    },
    /// It is called.
    Http {
        /// Its address.
        url: String,
        /// Headers, with the variable that holds each one's value.
        headers: BTreeMap<String, String>,
    },
}

/// A step of a pipeline.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What is asked.
    pub prompt: Template,
}

/// In which conversation the runs of a job are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Thread {
    /// Each in one of its own.
    #[default]
    Fresh,
    /// Each in that of the run before it.
    Linked,
    /// All in this one.
    Session(String),
}

impl Talk {
    /// Checks what is written, for an agent that may have no use for some of it.
    pub(super) fn parse(
        spec: &JobSpec,
        agent: &Agent,
        kinds: impl Iterator<Item = TriggerKind>,
    ) -> Result<Self, SpecError> {
        fits(spec, agent)?;
        let features = spec.features.clone().unwrap_or_default();
        Ok(Self {
            models: models(spec, agent)?,
            max_steps: match spec.max_steps {
                Some(0) => return Err(SpecError::new("max_steps", "`0` is not allowed: at least 1")),
                steps => steps,
            },
            budget: budget(spec, features.budget_usd)?,
            mcp: mcp(spec)?,
            skills: each("skills", &spec.skills, |text| text.parse::<GrantPath>())?,
            pipeline: pipeline(spec, kinds)?,
            permissions: each("permissions", &spec.permissions, Rule::parse)?,
            thread: thread(spec, agent)?,
            idle: match spec.idle_timeout.map(crate::units::Span::duration) {
                Some(idle) if idle < Duration::from_secs(1) => {
                    return Err(SpecError::new("idle_timeout", "too little: at least `1s`"));
                }
                idle => idle.unwrap_or(DEFAULT_IDLE),
            },
            effort: features.effort_level,
            max_context_tokens: features.max_context_tokens,
        })
    }
}

impl Job {
    /// What somebody should know who has no model for the built-in agent yet.
    pub(super) fn model_warning(&self, models: &ModelDefaults) -> Option<String> {
        let there = models.providers.as_ref().filter(|_| self.agent == Agent::Builtin)?;
        let named: Vec<&str> = self.talk.models.iter().filter_map(|model| model.split(':').next()).collect();
        if named.is_empty() {
            let none = there.is_empty() && !models.has_default;
            return none.then(|| {
                "`model`: none is named, and the daemon has no key of any model provider: set one, for example \
                 `ANTHROPIC_API_KEY`, or `model` in `config.toml`, before it runs"
                    .to_owned()
            });
        }
        // A recorded conversation needs no key.
        let usable = |provider: &&str| *provider == "scripted" || there.iter().any(|known| known == provider);
        (!named.iter().any(usable)).then(|| {
            format!(
                "`model`: the daemon has no key of `{}`: set it before the job runs, or name it under `secrets`",
                named[0]
            )
        })
    }
}

impl Job {
    /// What somebody should know who gives an agent a budget that counts for itself.
    pub(super) fn budget_warning(&self) -> Option<String> {
        let told_only = matches!(self.agent, Agent::Preset(_) | Agent::Acp(_));
        (told_only && self.talk.budget != Budget::default()).then(|| {
            format!(
                "`budget`: `{}` is ended once it says that it has used so much; until it says so, and some say it at their end \
                 only, nothing stops it",
                self.agent.label()
            )
        })
    }
}

/// What has no effect for an agent is a mistake of whoever wrote it.
fn fits(spec: &JobSpec, agent: &Agent) -> Result<(), SpecError> {
    let of_all = [
        ("mcp", !spec.mcp.is_empty()),
        ("permissions", !spec.permissions.is_empty()),
        ("budget", spec.budget.is_some()),
        ("continue", spec.thread.is_some()),
        ("idle_timeout", spec.idle_timeout.is_some()),
    ];
    let of_builtin = [
        ("skills", !spec.skills.is_empty()),
        ("pipeline", !spec.pipeline.is_empty()),
        ("max_steps", spec.max_steps.is_some()),
    ];
    let (unfit, whose): (Vec<_>, _) = match agent {
        Agent::Builtin => return Ok(()),
        Agent::Preset(_) | Agent::Acp(_) => (of_builtin.into(), "only the built-in agent has it"),
        Agent::Command(_) => (
            [of_all.as_slice(), of_builtin.as_slice()].concat(),
            "a command agent is a program that nothing is known of",
        ),
    };
    match unfit.into_iter().find(|(_, written)| *written) {
        Some((field, _)) => Err(SpecError::new(
            field,
            format!("no use for `{}`: {whose}; take it out, or change `agent`", agent.label()),
        )),
        None => Ok(()),
    }
}

fn thread(spec: &JobSpec, agent: &Agent) -> Result<Thread, SpecError> {
    let thread = match &spec.thread {
        None | Some(ContinueSpec::Previous(false)) => return Ok(Thread::Fresh),
        Some(ContinueSpec::Previous(true)) => Thread::Linked,
        Some(ContinueSpec::Session(id)) if id.trim().is_empty() => {
            return Err(SpecError::new("continue", "empty: write `true`, or the id of a conversation"));
        }
        Some(ContinueSpec::Session(id)) => Thread::Session(id.clone()),
    };
    if *agent == Agent::Preset("codex".to_owned()) {
        let message =
            "no use for `codex`: it begins a conversation of its own every time; take it out, or change `agent`";
        return Err(SpecError::new("continue", message));
    }
    Ok(thread)
}

fn models(spec: &JobSpec, agent: &Agent) -> Result<Vec<String>, SpecError> {
    let models = spec.model.clone().unwrap_or_default().0;
    let wrong = models.iter().find(|model| {
        let named = model.split_once(':').is_some_and(|(provider, name)| !provider.is_empty() && !name.is_empty());
        model.trim().is_empty() || (*agent == Agent::Builtin && !named)
    });
    match wrong {
        Some(model) => {
            let message =
                format!("`{model}` names no model: write `provider:model`, for example `anthropic:claude-sonnet-4-5`");
            Err(SpecError::new("model", message))
        }
        None => Ok(models),
    }
}

fn budget(spec: &JobSpec, of_features: Option<f64>) -> Result<Budget, SpecError> {
    let written = spec.budget.unwrap_or_default();
    let usd = |field: &str, value: Option<f64>| match value {
        Some(usd) if !usd.is_finite() || usd <= 0.0 => {
            Err(SpecError::new(field, format!("`{usd}` is no amount of money: more than 0 US dollars")))
        }
        value => Ok(value),
    };
    let of_features = usd("features.budget_usd", of_features)?;
    if written.tokens == Some(0) {
        return Err(SpecError::new("budget.tokens", "`0` is not allowed: at least 1"));
    }
    Ok(Budget {
        run_usd: usd("budget.run_usd", written.run_usd)?.or(of_features),
        daily_usd: usd("budget.daily_usd", written.daily_usd)?,
        tokens: written.tokens,
    })
}

fn mcp(spec: &JobSpec) -> Result<Vec<Mcp>, SpecError> {
    let mut servers: Vec<Mcp> = Vec::new();
    for (index, written) in spec.mcp.iter().enumerate() {
        let server = server(&format!("mcp[{index}]"), written)?;
        if servers.iter().any(|other| other.name == server.name) {
            let message = format!("`{}` is the name of two servers: give each its own", server.name);
            return Err(SpecError::new(format!("mcp[{index}].name"), message));
        }
        servers.push(server);
    }
    Ok(servers)
}

impl Mcp {
    /// Checks a server as written at `field`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(field: &str, written: &McpSpec) -> Result<Self, SpecError> {
        server(field, written)
    }
}

fn server(field: &str, written: &McpSpec) -> Result<Mcp, SpecError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if written.name.is_empty() || !written.name.chars().all(plain) {
        let message = format!("`{}` is no name of a server: letters, digits, `-` and `_`", written.name);
        return Err(SpecError::new(format!("{field}.name"), message));
    }
    let transport = match (&written.url, written.command.first()) {
        (Some(url), None) => {
            if !url.starts_with("https://") && !url.starts_with("http://") {
                let message = format!("`{url}` is no address: write one as `https://example.com/mcp`");
                return Err(SpecError::new(format!("{field}.url"), message));
            }
            if !written.env.is_empty() {
                return Err(SpecError::new(format!("{field}.env"), "no use for a server with a `url`: use `headers`"));
            }
            for (header, variable) in &written.headers {
                env_name(&format!("{field}.headers.{header}"), variable)?;
            }
            McpTransport::Http { url: url.clone(), headers: written.headers.clone() }
        }
        (None, Some(_)) => {
            if !written.headers.is_empty() {
                let message = "no use for a server with a `command`: use `env`";
                return Err(SpecError::new(format!("{field}.headers"), message));
            }
            let env = super::env_names(&format!("{field}.env"), &written.env)?;
            let command = super::agent::program(&format!("{field}.command"), &written.command)?;
            McpTransport::Stdio { command, env }
        }
        (Some(_), Some(_)) | (None, None) => {
            let message = "a server is either started or called: write `command` or `url`";
            return Err(SpecError::new(field, message));
        }
    };
    let (required, tools) = (written.required.unwrap_or(false), written.tools.clone());
    Ok(Mcp { name: written.name.clone(), transport, required, tools })
}

fn pipeline(spec: &JobSpec, kinds: impl Iterator<Item = TriggerKind>) -> Result<Vec<Step>, SpecError> {
    let scope = Scope::prompt(kinds);
    let mut steps: Vec<Step> = Vec::new();
    for (index, step) in spec.pipeline.iter().enumerate() {
        if step.name.trim().is_empty() || steps.iter().any(|other| other.name == step.name) {
            let message = format!("`{}`: every step has a name of its own", step.name);
            return Err(SpecError::new(format!("pipeline[{index}].name"), message));
        }
        let scope = scope.clone().with_steps(steps.iter().map(|step| step.name.clone()));
        let prompt = template(&format!("pipeline[{index}].prompt"), &step.prompt, &scope)?;
        steps.push(Step { name: step.name.clone(), prompt });
    }
    Ok(steps)
}

fn each<S, T>(field: &str, written: &[S], parse: impl Fn(&S) -> Result<T, String>) -> Result<Vec<T>, SpecError> {
    let numbered = written.iter().enumerate();
    numbered
        .map(|(index, item)| parse(item).map_err(|error| SpecError::new(format!("{field}[{index}]"), error)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Defaults, Job};
    use crate::spec::yaml;

    fn parse(text: &str) -> Result<Job, SpecError> {
        Job::parse("j".parse().unwrap(), &yaml::parse(text).unwrap(), &Defaults::default())
    }

    #[test]
    fn everything_an_agent_is_told_is_read() {
        let text = "prompt: x\nmodel: [anthropic:a, openai:b]\nmax_steps: 9\nbudget: {run_usd: 0.5, daily_usd: 2, tokens: 100}\n\
            mcp:\n- {name: fs, command: [server, .], env: [TOKEN], required: true, tools: ['read_*']}\n\
            - {name: web, url: 'https://x/mcp', headers: {Authorization: AUTH}}\nskills: [~/skills]\n\
            pipeline: [{name: one, prompt: 'Look at {{ job.id }}'}, {name: two, prompt: '{{ steps.one }}'}]\npermissions: [{deny: execute}]\ncontinue: true\n\
            idle_timeout: 30s\nfeatures: {effort_level: high, budget_usd: 9}\n";
        let talk = parse(text).unwrap().talk;
        assert_eq!((talk.models.len(), talk.max_steps, talk.budget.run_usd), (2, Some(9), Some(0.5)));
        assert_eq!((talk.mcp.len(), talk.mcp[0].required, talk.mcp[1].tools.is_none()), (2, true, true));
        assert_eq!((talk.thread, talk.idle.as_secs(), talk.effort.as_deref()), (Thread::Linked, 30, Some("high")));
        let one = parse("prompt: x\nmodel: ollama:m\ncontinue: abc\nfeatures: {budget_usd: 3}\n").unwrap().talk;
        assert_eq!((one.models, one.thread), (vec!["ollama:m".to_owned()], Thread::Session("abc".to_owned())));
        assert_eq!((one.budget.run_usd, one.idle), (Some(3.0), DEFAULT_IDLE));
    }

    #[test]
    fn a_job_without_a_model_that_works_is_warned_of() {
        let warned = |text: &str, has_default, providers: &[&str]| {
            let providers = Some(providers.iter().map(|name| (*name).to_owned()).collect());
            let models = ModelDefaults { has_default, providers };
            let spec = yaml::parse(&format!("prompt: x\n{text}\n")).unwrap();
            let job = Job::parse("j".parse().unwrap(), &spec, &Defaults { models, ..Defaults::default() }).unwrap();
            job.warnings().iter().any(|warning| warning.starts_with("`model`: "))
        };
        assert!(warned("", false, &[]));
        assert!(!warned("", true, &[]) && !warned("", false, &["groq"]));
        assert!(warned("model: openai:x", true, &["groq"]) && !warned("model: [openai:x, groq:y]", true, &["groq"]));
        assert!(!warned("model: scripted:x", false, &[]) && !warned("agent: gemini", false, &[]));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let wrong = [
            "prompt: x\nmodel: gpt",
            "prompt: x\nmax_steps: 0",
            "prompt: x\nbudget: {run_usd: -1}",
            "prompt: x\nbudget: {tokens: 0}",
            "prompt: x\nmcp: [{name: a}]",
            "prompt: x\nmcp: [{name: a b, command: [x]}]",
            "prompt: x\nmcp: [{name: a, url: 'ftp://x'}]",
            "prompt: x\nmcp: [{name: a, url: 'https://x', headers: {A: 'Bearer x'}}]",
            "prompt: x\nmcp: [{name: a, command: [x]}, {name: a, command: [y]}]",
            "prompt: x\npipeline: [{name: a, prompt: '{{ nothing }}'}]",
            "prompt: x\npipeline: [{name: a, prompt: x}, {name: a, prompt: x}]",
            "prompt: x\npipeline: [{name: a, prompt: '{{ steps.a }}'}]",
            "prompt: x\npipeline: [{name: a, prompt: x}, {name: b, prompt: '{{ steps.c }}'}]",
            "prompt: x\npermissions: [{allow: everything}]",
            "prompt: x\ncontinue: ' '",
            "prompt: x\ncontinue: true\noverlap: parallel",
            "prompt: x\ncontinue: true\ntriggers: [{type: cron, cron: '* * * * *', overlap: parallel}]",
            "prompt: x\ncontinue: true\nagent: codex",
            "prompt: x\nidle_timeout: 0s",
            "prompt: x\nagent: gemini\npipeline: [{name: a, prompt: x}]",
            "agent: {command: [x]}\nmcp: [{name: a, command: [x]}]",
        ];
        let said: Vec<String> = wrong.iter().map(|text| format!("{text}\n    {}", parse(text).unwrap_err())).collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
