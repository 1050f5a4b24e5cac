//! Agents that a job may name without spelling out a command: `agent: claude`. What each is called, how it is started when
//! nobody is there, what it needs of the environment and whom it talks to.
//!
//! Nothing is started here, and nothing is looked up but by the functions that are passed in.

use crate::providers::ModelRef;
use std::str::FromStr;

/// A command-line agent known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Claude Code.
    Claude,
    /// OpenAI's Codex.
    Codex,
    /// Google's Gemini CLI.
    Gemini,
    /// Goose.
    Goose,
    /// OpenCode.
    OpenCode,
    /// The bog-agents package's own command line.
    BogAgents,
}

/// No preset has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is no agent preset; allowed are {}; write `agent: {{command: [PROGRAM, ARG]}}` for any other program",
    crate::presets::names()
)]
pub struct UnknownPreset {
    /// The name as written.
    pub name: String,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 6] = [Self::Claude, Self::Codex, Self::Gemini, Self::Goose, Self::OpenCode, Self::BogAgents];

    /// The name used in job files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Goose => "goose",
            Self::OpenCode => "opencode",
            Self::BogAgents => "bog-agents",
        }
    }

    /// The program to look for on `PATH`. Every known agent installs itself under its own name.
    #[must_use]
    pub const fn program(self) -> &'static str {
        self.as_str()
    }

    /// The preset whose program this is: the name of a file, without its folder.
    #[must_use]
    pub fn of_program(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.program() == name)
    }

    /// The variables that log it in. Nobody else may see their values.
    #[must_use]
    pub const fn secrets(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
            Self::Codex => &["OPENAI_API_KEY", "CODEX_API_KEY"],
            Self::Gemini => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            Self::Goose | Self::OpenCode | Self::BogAgents => &[
                "ANTHROPIC_API_KEY",
                "OPENAI_API_KEY",
                "GEMINI_API_KEY",
                "GOOGLE_API_KEY",
                "GROQ_API_KEY",
                "OPENROUTER_API_KEY",
            ],
        }
    }

    /// The variables that say where, and as whom; they hold no secret.
    #[must_use]
    pub const fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL"],
            Self::Codex => &["OPENAI_BASE_URL"],
            Self::Gemini => &["GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"],
            Self::Goose => {
                &["GOOSE_PROVIDER", "GOOSE_MODEL", "ANTHROPIC_HOST", "OPENAI_HOST", "OPENAI_BASE_PATH", "OLLAMA_HOST"]
            }
            Self::OpenCode | Self::BogAgents => &["ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "OLLAMA_HOST"],
        }
    }

    /// The hosts, as `host:port`, that it talks to with a login of its own, besides those of its keys.
    #[must_use]
    pub const fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &["api.anthropic.com:443", "console.anthropic.com:443"],
            Self::Codex => &["api.openai.com:443", "chatgpt.com:443", "auth.openai.com:443"],
            Self::Gemini => &[
                "cloudcode-pa.googleapis.com:443",
                "generativelanguage.googleapis.com:443",
                "oauth2.googleapis.com:443",
            ],
            Self::OpenCode => &["opencode.ai:443", "models.dev:443"],
            Self::Goose | Self::BogAgents => &[],
        }
    }

    /// The files, below the home folder, that a login leaves.
    #[must_use]
    pub const fn logins(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &[".claude/.credentials.json"],
            Self::Codex => &[".codex/auth.json"],
            Self::Gemini => &[".gemini/oauth_creds.json"],
            Self::Goose => &[".config/goose/secrets.yaml", ".config/goose/config.yaml"],
            Self::OpenCode => &[".local/share/opencode/auth.json"],
            Self::BogAgents => &[".bog-agents/config.toml"],
        }
    }

    /// How it is started with nobody there. `contained` says that a sandbox of ours holds it, so that its own questions and
    /// its own sandbox are in the way; `is_there` whether a program is on `PATH`.
    #[must_use]
    pub fn start(self, model: Option<&str>, contained: bool, is_there: impl Fn(&str) -> bool) -> Start {
        // Those that talk to one provider alone know their models by their bare names.
        let model = match self {
            Self::Claude | Self::Codex | Self::Gemini => model.map(bare),
            Self::Goose | Self::OpenCode | Self::BogAgents => model,
        };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let with_model = |command: &[&str], option: &str| match model {
            Some(model) => [words(command), words(&[option, model])].concat(),
            None => words(command),
        };
        let acp = |command: Vec<String>| Start { command, speaks: Speaks::Acp, variables: Vec::new() };
        match self {
            Self::Claude => claude(model, contained, is_there),
            Self::Codex => {
                let sandbox = if contained { "danger-full-access" } else { "workspace-write" };
                let command = ["codex", "exec", "--json", "--skip-git-repo-check", "--ephemeral", "--sandbox", sandbox];
                let mut command = with_model(&command, "--model");
                command.push("-".to_owned());
                Start { command, speaks: Speaks::Codex, variables: Vec::new() }
            }
            Self::Gemini => acp(with_model(&["gemini", "--acp"], "--model")),
            Self::Goose => {
                let (provider, name) = model.and_then(|model| model.split_once(':')).unzip();
                let provider = provider.map(|provider| ("GOOSE_PROVIDER", provider.to_owned()));
                let name = name.or(model).map(|model| ("GOOSE_MODEL", model.to_owned()));
                Start { variables: provider.into_iter().chain(name).collect(), ..acp(words(&["goose", "acp"])) }
            }
            Self::OpenCode => {
                // It has no option for it; names are `provider/model` there.
                let content =
                    model.map(|model| serde_json::json!({ "model": model.replacen(':', "/", 1) }).to_string());
                let variables = content.map(|content| ("OPENCODE_CONFIG_CONTENT", content)).into_iter().collect();
                Start { variables, ..acp(words(&["opencode", "acp"])) }
            }
            Self::BogAgents => acp(with_model(&["bog-agents", "--acp"], "--model")),
        }
    }

    /// Where it keeps its own settings and login, below the home folder.
    #[must_use]
    pub const fn configuration(self) -> &'static [&'static str] {
        match self {
            Self::Claude => &[".claude", ".claude.json"],
            Self::Codex => &[".codex"],
            Self::Gemini => &[".gemini"],
            Self::Goose => &[".config/goose", ".local/share/goose"],
            Self::OpenCode => &[".config/opencode", ".local/share/opencode"],
            Self::BogAgents => &[".bog-agents/config.toml", ".bog-agents/AGENTS.md", ".bog-agents/skills"],
        }
    }
}

/// How a preset is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Program and arguments.
    pub command: Vec<String>,
    /// What it speaks.
    pub speaks: Speaks,
    /// Variables to set for it.
    pub variables: Vec<(&'static str, String)>,
}

/// What a preset speaks. Where it is not ACP, it reads its prompt from standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// The Agent Client Protocol.
    Acp,
    /// The lines of `claude --output-format stream-json`.
    Claude,
    /// The lines of `codex exec --json`.
    Codex,
}

/// Adapters by which Claude Code speaks ACP, the newer one first.
const CLAUDE_ADAPTERS: [&str; 2] = ["claude-agent-acp", "claude-code-acp"];

fn claude(model: Option<&str>, contained: bool, is_there: impl Fn(&str) -> bool) -> Start {
    if let Some(adapter) = CLAUDE_ADAPTERS.into_iter().find(|name| is_there(name)) {
        let variables = model.map(|model| ("ANTHROPIC_MODEL", model.to_owned())).into_iter().collect();
        return Start { command: vec![adapter.to_owned()], speaks: Speaks::Acp, variables };
    }
    let mode = if contained { "bypassPermissions" } else { "acceptEdits" };
    let command = ["claude", "--print", "--output-format", "stream-json", "--verbose", "--permission-mode", mode]
        .map(str::to_owned);
    let model = model.into_iter().flat_map(|model| ["--model".to_owned(), model.to_owned()]);
    // As root it takes its own word for it only where it is told that something else contains it.
    let variables = if contained { vec![("IS_SANDBOX", "1".to_owned())] } else { Vec::new() };
    Start { command: command.into_iter().chain(model).collect(), speaks: Speaks::Claude, variables }
}

/// A model's name without its provider's.
fn bare(model: &str) -> &str {
    match model.split_once(':').filter(|_| ModelRef::parse(model).is_ok()) {
        Some((_, name)) => name,
        None => model,
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(text: &str) -> Result<Self, UnknownPreset> {
        let found = Self::ALL.into_iter().find(|preset| preset.as_str() == text);
        found.ok_or_else(|| UnknownPreset { name: text.chars().take(80).collect() })
    }
}

/// Every preset's name in backticks, for messages.
fn names() -> String {
    Preset::ALL.map(|preset| format!("`{}`", preset.as_str())).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for preset in Preset::ALL {
            assert_eq!(preset.as_str().parse(), Ok(preset));
            assert_eq!(Preset::of_program(preset.program()), Some(preset));
        }
        assert_eq!(Preset::of_program("sh"), None);
    }

    #[test]
    fn each_starts_with_nobody_there() {
        let start = |preset: Preset, model, there: &str| {
            let start = preset.start(model, true, |name| name == there);
            let variables: Vec<_> = start.variables.iter().map(|(name, value)| format!("{name}={value} ")).collect();
            format!("{}{} ({:?})", variables.concat(), start.command.join(" "), start.speaks)
        };
        assert_eq!(start(Preset::Gemini, Some("g"), ""), "gemini --acp --model g (Acp)");
        assert_eq!(start(Preset::Gemini, Some("gemini:g"), ""), "gemini --acp --model g (Acp)");
        let named = start(Preset::Claude, Some("bedrock:us.anthropic.claude-v1:0"), "claude-code-acp");
        assert_eq!(named, "ANTHROPIC_MODEL=us.anthropic.claude-v1:0 claude-code-acp (Acp)");
        let other = start(Preset::Codex, Some("my:model"), "");
        assert!(other.contains(" --model my:model "), "{other}");
        assert_eq!(start(Preset::Goose, Some("openai:m"), ""), "GOOSE_PROVIDER=openai GOOSE_MODEL=m goose acp (Acp)");
        let opencode = "OPENCODE_CONFIG_CONTENT={\"model\":\"openai/m\"} opencode acp (Acp)";
        assert_eq!(start(Preset::OpenCode, Some("openai:m"), ""), opencode);
        assert_eq!(start(Preset::BogAgents, None, ""), "bog-agents --acp (Acp)");
        assert_eq!(start(Preset::Claude, Some("m"), "claude-code-acp"), "ANTHROPIC_MODEL=m claude-code-acp (Acp)");
        let printed = "IS_SANDBOX=1 claude --print --output-format stream-json --verbose --permission-mode bypassPermissions \
                       (Claude)";
        assert_eq!(start(Preset::Claude, None, ""), printed);
        let codex = "codex exec --json --skip-git-repo-check --ephemeral --sandbox danger-full-access - (Codex)";
        assert_eq!(start(Preset::Codex, None, ""), codex);
    }

    #[test]
    fn an_unknown_name_is_told_what_is_allowed() {
        assert_eq!(
            "Claude".parse::<Preset>().unwrap_err().to_string(),
            "`Claude` is no agent preset; allowed are `claude`, `codex`, `gemini`, `goose`, `opencode`, `bog-agents`; \
             write `agent: {command: [PROGRAM, ARG]}` for any other program"
        );
    }
}
