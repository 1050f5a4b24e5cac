//! Catch-up: what becomes of slots that passed while nothing could take them - the daemon was down, the machine
//! slept, the clock was set forward.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Which missed slots are made up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUpPolicy {
    /// None of them.
    None,
    /// The newest within the window; it stands for the others.
    #[default]
    Once,
    /// All within the window, oldest first, paced.
    All,
}

impl CatchUpPolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::None, Self::Once, Self::All];

    /// The name used in files, the API and the CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Once => "once",
            Self::All => "all",
        }
    }
}

impl fmt::Display for CatchUpPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is made up for, and how far back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CatchUp {
    /// Which missed slots.
    pub policy: CatchUpPolicy,
    /// How old a missed slot may be.
    pub window: Duration,
}

impl Default for CatchUp {
    fn default() -> Self {
        Self { policy: CatchUpPolicy::default(), window: Duration::from_secs(24 * 60 * 60) }
    }
}
