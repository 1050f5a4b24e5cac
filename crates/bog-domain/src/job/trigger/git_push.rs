//! Pushes to a git repository.

use crate::error::SpecError;
use crate::spec::GitPushSpec;

/// Checks it and returns its identifying fields as text.
pub(super) fn check(push: &GitPushSpec, field: &impl Fn(&str) -> String) -> Result<String, SpecError> {
    if push.branch.is_some() && push.tag.is_some() {
        return Err(SpecError::new(field("tag"), "a trigger watches a `branch` or a `tag`: make two triggers of it"));
    }
    Ok(format!("{:?}", (&push.repo, &push.branch, &push.tag)))
}
