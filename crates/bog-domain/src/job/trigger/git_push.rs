//! Pushes to a git repository.

use crate::error::SpecError;
use crate::git::{RefPattern, Source};
use crate::spec::GitPushSpec;
use crate::units::Span;
use std::time::Duration;

/// How often a repository may be looked at: seldom enough to be no burden, often enough to be of use.
const INTERVAL: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);

/// A remote is asked this often where nothing is said.
const REMOTE_INTERVAL: Duration = Duration::from_secs(60);

/// A folder is watched; it is looked at this often besides, for file systems that tell nothing.
const FOLDER_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// A trigger for pushes, checked.
#[derive(Debug, Clone)]
pub struct GitPush {
    /// The repository.
    pub source: Source,
    /// The refs it is about.
    pub refs: RefPattern,
    /// How often the repository is looked at without being told to.
    pub interval: Duration,
}

impl GitPush {
    /// Checks a trigger as written; `field` makes the place of a field of it.
    ///
    /// # Errors
    /// The first field that is wrong, with what is allowed.
    pub fn parse(spec: &GitPushSpec, field: &impl Fn(&str) -> String) -> Result<Self, SpecError> {
        let source = Source::parse(&spec.repo).map_err(|error| SpecError::new(field("repo"), error))?;
        let refs = match (&spec.branch, &spec.tag) {
            (Some(_), Some(_)) => {
                let message = "a trigger watches a `branch` or a `tag`: make two triggers of it";
                return Err(SpecError::new(field("tag"), message));
            }
            (Some(branch), None) => RefPattern::branches(branch).map_err(|e| SpecError::new(field("branch"), e))?,
            (None, Some(tag)) => RefPattern::tags(tag).map_err(|error| SpecError::new(field("tag"), error))?,
            (None, None) => RefPattern::branches("**").map_err(|error| SpecError::new(field("branch"), error))?,
        };
        let default = match source {
            Source::Folder(_) => FOLDER_INTERVAL,
            Source::Remote(_) => REMOTE_INTERVAL,
        };
        let interval = spec.interval.map_or(default, Span::duration);
        if !INTERVAL.contains(&interval) {
            let message = format!("`{}` is not allowed: between `1s` and `7d`", Span::new(interval));
            return Err(SpecError::new(field("interval"), message));
        }
        Ok(Self { source, refs, interval })
    }
}

/// Checks it and returns its identifying fields as text.
pub(super) fn check(push: &GitPushSpec, field: &impl Fn(&str) -> String) -> Result<String, SpecError> {
    GitPush::parse(push, field)?;
    Ok(format!("{:?}", (&push.repo, &push.branch, &push.tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let read = |yaml: &str| {
            let spec: GitPushSpec = serde_saphyr::from_str(yaml).unwrap();
            GitPush::parse(&spec, &|name| format!("triggers[0].{name}"))
        };
        let every = read("repo: /srv/a.git").unwrap();
        assert!(every.refs.matches("refs/heads/a/b") && !every.refs.matches("refs/tags/a"));
        assert_eq!(every.interval, FOLDER_INTERVAL);
        assert_eq!(read("repo: git@example.com:a.git").unwrap().interval, REMOTE_INTERVAL);
        assert!(read("{repo: ~/a, tag: 'v*', interval: 5s}").unwrap().refs.matches("refs/tags/v1"));
        let wrong = [
            "repo: a.git",
            "{repo: /a, branch: a, tag: b}",
            "{repo: /a, branch: refs/heads/main}",
            "{repo: /a, tag: ''}",
            "{repo: /a, interval: 500ms}",
        ];
        let said: Vec<String> = wrong.iter().map(|yaml| read(yaml).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
