//! Who does the work.

use crate::containment::NetworkAccess;
use crate::error::SpecError;
use crate::run::OnInterrupt;
use crate::spec::{AgentSpec, JobSpec};

/// Agents known by name that are started as someone else's command line.
pub const PRESETS: [&str; 6] = ["claude", "codex", "gemini", "goose", "opencode", "bog-agents"];

/// Who does the work of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agent {
    /// The agent that ships in the binary.
    Builtin,
    /// A known agent, by name.
    Preset(String),
    /// A command line: program and arguments; `{{prompt}}` in an argument is replaced by the rendered prompt.
    Command(Vec<String>),
    /// A program that speaks the Agent Client Protocol over stdio.
    Acp(Vec<String>),
}

impl Agent {
    pub(super) fn parse(spec: &JobSpec) -> Result<Self, SpecError> {
        match &spec.agent {
            None => Ok(Self::Builtin),
            Some(AgentSpec::Named(name)) if name == "builtin" => Ok(Self::Builtin),
            Some(AgentSpec::Named(name)) if PRESETS.contains(&name.as_str()) => Ok(Self::Preset(name.clone())),
            Some(AgentSpec::Named(name)) => {
                let presets = PRESETS.map(|preset| format!("`{preset}`")).join(", ");
                let message = format!(
                    "`{name}` is not a known agent: use `builtin`, {presets}, `{{command: [program, argument, ...]}}` \
                     or `{{acp: [program, argument, ...]}}`"
                );
                Err(SpecError::new("agent", message))
            }
            Some(AgentSpec::Command(argv)) => program("agent.command", argv).map(Self::Command),
            Some(AgentSpec::Acp(argv)) => program("agent.acp", argv).map(Self::Acp),
        }
    }

    /// What an interrupted run leads to where the job does not say: agents that can resume go on, command lines, which
    /// may have done half their work, do not.
    #[must_use]
    pub const fn default_on_interrupt(&self) -> OnInterrupt {
        match self {
            Self::Builtin => OnInterrupt::Retry,
            Self::Preset(_) | Self::Command(_) | Self::Acp(_) => OnInterrupt::Fail,
        }
    }

    /// Whether it is an agent that talks to a model provider; a command line may be anything.
    pub(super) const fn has_provider(&self) -> bool {
        match self {
            Self::Builtin | Self::Preset(_) | Self::Acp(_) => true,
            Self::Command(_) => false,
        }
    }

    /// What it reaches over the network where its job does not say.
    pub(super) const fn default_network(&self) -> NetworkAccess {
        if self.has_provider() { NetworkAccess::Provider } else { NetworkAccess::None }
    }

    /// The name shown to people.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Builtin => "builtin".to_owned(),
            Self::Preset(name) => name.clone(),
            Self::Command(argv) => format!("command {}", argv[0]),
            Self::Acp(argv) => format!("acp {}", argv[0]),
        }
    }
}

pub(super) fn program(field: &str, argv: &[String]) -> Result<Vec<String>, SpecError> {
    match argv.first() {
        Some(program) if !program.trim().is_empty() => {}
        Some(_) | None => {
            return Err(SpecError::new(
                field,
                "no program: the first item is what is started, for example `[git, log]`",
            ));
        }
    }
    if let Some(index) = argv.iter().position(|argument| argument.contains('\0')) {
        return Err(SpecError::new(format!("{field}[{index}]"), "a NUL byte cannot stand in an argument"));
    }
    Ok(argv.to_vec())
}
