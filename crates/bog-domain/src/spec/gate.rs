//! A cheap check before any agent, as written.

use crate::units::Span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A command that says whether there is anything to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GateSpec {
    /// Program and arguments; no shell in between.
    pub command: Vec<String>,
    /// How long it may take; `1m` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub timeout: Option<Span>,
}
