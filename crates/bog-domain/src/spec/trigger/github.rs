//! Events of a GitHub repository, as written.

use crate::overlap::Overlap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Events of a GitHub repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GithubSpec {
    /// Its id; hashed from its identifying fields where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Names of events; all that there are where left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// `owner/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Issue or pull request number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Labels, one of which must be there; of an event about a label, that label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Login of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// A glob on the branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Name of the environment variable that holds the secret; `GITHUB_WEBHOOK_SECRET` where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// Name of the variable that holds the secret before it, which opens too while the secret is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env_previous: Option<String>,
    /// An expression that must hold for an event to fire; the others are recorded as filtered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Its own overlap policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<Overlap>,
}
