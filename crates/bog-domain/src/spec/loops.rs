//! How much may be caused by runs, as written.

use crate::breaker::Bounds;
use crate::units::Span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much may be caused by runs: what is left out is the daemon's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoopsSpec {
    /// Runs that may stand between a fire and the outside world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<u32>,
    /// Fires within `window` that were caused by runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_caused: Option<u32>,
    /// The time over which they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub window: Option<Span>,
}

impl LoopsSpec {
    /// The bounds it sets, those of `default` where it says nothing.
    #[must_use]
    pub fn bounds(&self, default: &Bounds) -> Bounds {
        Bounds {
            max_depth: self.max_depth.unwrap_or(default.max_depth),
            max_caused: self.max_caused.unwrap_or(default.max_caused),
            window: self.window.map_or(default.window, Span::duration),
        }
    }
}
