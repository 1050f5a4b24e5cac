//! Slots at a fixed distance, as written.

use super::{CatchUpSpec, whole_seconds_whole};
use crate::overlap::Overlap;
use crate::units::Span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Slots at a fixed distance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IntervalSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The distance in seconds.
    #[serde(serialize_with = "whole_seconds_whole")]
    pub seconds: f64,
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
