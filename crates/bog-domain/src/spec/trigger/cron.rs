//! Slots of a cron expression, as written.

use super::CatchUpSpec;
use crate::overlap::Overlap;
use crate::units::Span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Slots of a cron expression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CronSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Five fields, or six with seconds first, or an `@` name.
    pub cron: String,
    /// Its own zone, else the job's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Spreads its slots over this time, the same for a slot every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub jitter: Option<Span>,
    /// Which missed slots are made up for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up: Option<CatchUpSpec>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}
