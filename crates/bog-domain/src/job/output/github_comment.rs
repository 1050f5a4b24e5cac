//! What must be right in a `github_comment` output.

use super::check_url;
use crate::error::SpecError;
use crate::spec::GithubCommentSpec;

pub(super) fn check(field: &impl Fn(&str) -> String, comment: &GithubCommentSpec) -> Result<(), SpecError> {
    let is_name = |name: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !name.is_empty() && name != "." && name != ".." && name.chars().all(is_plain)
    };
    if !comment.repo.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name)) {
        let message = format!("`{}` is not a repository: write `owner/name`", comment.repo.escape_debug());
        return Err(SpecError::new(field("repo"), message));
    }
    let issue = comment.issue.0.trim();
    if !issue.contains('{') && issue_number(issue).is_none() {
        let message = format!("`{}` is not an issue's number, such as `1234`", issue.escape_debug());
        return Err(SpecError::new(field("issue"), message));
    }
    comment.api_url.as_deref().map_or(Ok(()), |url| check_url(&field("api_url"), url))
}

/// Reads an issue's number.
#[must_use]
pub fn issue_number(text: &str) -> Option<u64> {
    let digits = text.trim();
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number > 0)
}
