//! Command-line agents that a job may name without spelling out a command: `agent: claude`.
//!
//! A preset is only a name here. How it is called and contained is the runner's business.

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
    fn an_unknown_name_is_told_what_is_allowed() {
        assert_eq!(
            "Claude".parse::<Preset>().unwrap_err().to_string(),
            "`Claude` is no agent preset; allowed are `claude`, `codex`, `gemini`, `goose`, `opencode`, `bog-agents`; \
             write `agent: {command: [PROGRAM, ARG]}` for any other program"
        );
    }
}
