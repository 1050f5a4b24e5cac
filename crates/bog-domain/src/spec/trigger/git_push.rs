//! Pushes to a git repository, as written.

use crate::overlap::Overlap;
use crate::units::Span;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Pushes to a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GitPushSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The repository's folder, or a remote URL.
    pub repo: String,
    /// A glob on the name after `refs/heads/`; all branches where neither it nor `tag` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A glob on the name after `refs/tags/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// How often a remote is asked; a folder, which is watched, is looked at that often besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub interval: Option<Span>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}
