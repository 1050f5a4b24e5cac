//! Events of a GitHub repository.

use crate::spec::GithubSpec;

/// Its identifying fields as text.
pub(super) fn identity(github: &GithubSpec) -> String {
    format!("{:?}", (&github.events, &github.repo, github.number, &github.branch, &github.actor))
}
