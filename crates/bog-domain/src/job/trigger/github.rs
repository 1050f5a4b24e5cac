//! Events of a GitHub repository.

use super::hook::secret_names;
use crate::error::SpecError;
use crate::filter::Filter;
use crate::fire::{Reason, TriggerKind};
use crate::hook::{GITHUB_PATH, GithubEvent, GithubEventKind};
use crate::spec::GithubSpec;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

/// A github trigger.
#[derive(Debug, Clone)]
pub struct Github {
    /// Names of the secrets any of which may have signed.
    pub secrets: Vec<String>,
    events: Vec<GithubEventKind>,
    repo: Option<String>,
    number: Option<u64>,
    labels: Vec<String>,
    actor: Option<String>,
    branch: Option<GlobMatcher>,
    filter: Option<Filter>,
}

impl Github {
    /// Checks it.
    pub(super) fn parse(github: &GithubSpec, field: &impl Fn(&str) -> String) -> Result<Self, SpecError> {
        let events = github.events.iter().enumerate().map(|(index, name)| {
            event(name).ok_or_else(|| SpecError::new(format!("{}[{index}]", field("events")), unknown_event(name)))
        });
        if let Some(repo) = &github.repo {
            check_repo(repo, &field("repo"))?;
        }
        let branch = github.branch.as_deref().map(|branch| {
            let glob = GlobBuilder::new(branch).literal_separator(true).build();
            let wrong = |error: globset::Error| format!("`{branch}` is not a glob: {}", error.kind());
            glob.map(|glob| glob.compile_matcher()).map_err(|error| SpecError::new(field("branch"), wrong(error)))
        });
        Ok(Self {
            secrets: secret_names(github.secret_name(), github.secret_env_previous.as_deref(), field)?,
            events: events.collect::<Result<_, _>>()?,
            repo: github.repo.clone(),
            number: github.number,
            labels: github.labels.clone(),
            actor: github.actor.clone(),
            branch: branch.transpose()?,
            filter: super::hook::filter(github.filter.as_deref(), TriggerKind::Github, field)?,
        })
    }

    /// Whether an event is one of those that the trigger is for: of its repository, and of its kinds. Others leave no
    /// trace, as if they had come to another path.
    #[must_use]
    pub fn is_about(&self, event: &GithubEvent<'_>) -> bool {
        let of_repo = self.repo.as_ref().is_none_or(|repo| repo.eq_ignore_ascii_case(event.repo));
        of_repo && (self.events.is_empty() || self.events.contains(&event.kind))
    }

    /// What keeps an event from firing.
    #[must_use]
    pub fn filtered(&self, event: &GithubEvent<'_>, context: &Value) -> Option<Reason> {
        let wanted = |label: &str| self.labels.iter().any(|wanted| wanted.eq_ignore_ascii_case(label));
        let labelled = match event.label {
            Some(label) => wanted(label),
            None => event.labels.iter().any(|label| wanted(label)),
        };
        if self.number.is_some_and(|number| event.number != Some(number)) {
            Some(Reason::Number)
        } else if !self.labels.is_empty() && !labelled {
            Some(Reason::Labels)
        } else if self.actor.as_ref().is_some_and(|actor| !actor.eq_ignore_ascii_case(event.actor)) {
            Some(Reason::Actor)
        } else if self.branch.as_ref().is_some_and(|branch| !branch.is_match(event.branch)) {
            Some(Reason::Branch)
        } else if self.filter.as_ref().is_some_and(|filter| !filter.lets_through(context)) {
            Some(Reason::Filter)
        } else {
            None
        }
    }
}

/// Its identifying fields as text.
pub(super) fn identity(github: &GithubSpec) -> String {
    format!("{:?}", (&github.events, &github.repo, github.number, &github.branch, &github.actor, &github.labels))
}

/// What it waits for, in a few words.
pub(super) fn waits_for(github: &GithubSpec) -> String {
    let events = if github.events.is_empty() { "any event".to_owned() } else { github.events.join(", ") };
    let repo = github.repo.as_ref().map(|repo| format!(" in {repo}")).unwrap_or_default();
    format!("POST {GITHUB_PATH}: {events}{repo}")
}

fn event(name: &str) -> Option<GithubEventKind> {
    GithubEventKind::ALL.into_iter().find(|kind| kind.as_str() == name)
}

fn unknown_event(name: &str) -> String {
    let known = GithubEventKind::ALL.map(GithubEventKind::as_str).join("`, `");
    format!("`{name}` is no event of a github trigger: there are `{known}`; a webhook trigger takes any other")
}

fn check_repo(repo: &str, field: &str) -> Result<(), SpecError> {
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    match repo.split_once('/') {
        Some((owner, name)) if is_name(owner) && is_name(name) => Ok(()),
        Some(_) | None => Err(SpecError::new(
            field,
            format!("`{repo}` is not a repository: write `owner/name`, for example `example/api`"),
        )),
    }
}
