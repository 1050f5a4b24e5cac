//! GitHub's events under names that stay, whatever GitHub calls them: from `X-GitHub-Event` and its payload, as documented
//! under "Webhook events and payloads". What has no name here is no event for a `github` trigger; a `webhook` trigger takes
//! it as it is.

use super::{Headers, Received, kept};
use serde_json::{Value, json};
use std::fmt;

/// Where GitHub's requests come in.
pub const GITHUB_PATH: &str = "/webhooks/github";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GithubEventKind {
    /// An issue was opened.
    IssueOpened,
    /// An issue was assigned to somebody.
    IssueAssigned,
    /// An issue got a label.
    IssueLabeled,
    /// Somebody wrote a comment on an issue or into the conversation of a pull request.
    IssueComment,
    /// Somebody wrote a comment on a line of a pull request.
    ReviewComment,
    /// Somebody finished a review.
    ReviewSubmitted,
    /// A pull request was opened, ready for review or as a draft.
    PullRequestOpened,
    /// A draft became ready for review.
    PullRequestReady,
    /// A pull request got a label.
    PullRequestLabeled,
    /// Somebody was asked for a review.
    ReviewRequested,
    /// A check ended badly.
    CheckFailed,
    /// A workflow of GitHub Actions ended badly.
    WorkflowFailed,
}

impl GithubEventKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::IssueOpened,
        Self::IssueAssigned,
        Self::IssueLabeled,
        Self::IssueComment,
        Self::ReviewComment,
        Self::ReviewSubmitted,
        Self::PullRequestOpened,
        Self::PullRequestReady,
        Self::PullRequestLabeled,
        Self::ReviewRequested,
        Self::CheckFailed,
        Self::WorkflowFailed,
    ];

    /// The name used in files, the API and templates.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IssueOpened => "issue_opened",
            Self::IssueAssigned => "issue_assigned",
            Self::IssueLabeled => "issue_labeled",
            Self::IssueComment => "issue_comment",
            Self::ReviewComment => "review_comment",
            Self::ReviewSubmitted => "review_submitted",
            Self::PullRequestOpened => "pull_request_opened",
            Self::PullRequestReady => "pull_request_ready",
            Self::PullRequestLabeled => "pull_request_labeled",
            Self::ReviewRequested => "review_requested",
            Self::CheckFailed => "check_failed",
            Self::WorkflowFailed => "workflow_failed",
        }
    }

    /// Whether it is something that was said, by a person or by an agent of ours.
    #[must_use]
    pub const fn is_said(self) -> bool {
        match self {
            Self::IssueComment | Self::ReviewComment | Self::ReviewSubmitted => true,
            Self::IssueOpened
            | Self::IssueAssigned
            | Self::IssueLabeled
            | Self::PullRequestOpened
            | Self::PullRequestReady
            | Self::PullRequestLabeled
            | Self::ReviewRequested
            | Self::CheckFailed
            | Self::WorkflowFailed => false,
        }
    }

    /// From GitHub's names of the event and its action.
    fn of(event: &str, action: &str, payload: &Value) -> Option<Self> {
        let failed =
            |of: &str| matches!(text(payload, &[of, "conclusion"]), "failure" | "timed_out" | "startup_failure");
        Some(match (event, action) {
            ("issues", "opened") => Self::IssueOpened,
            ("issues", "assigned") => Self::IssueAssigned,
            ("issues", "labeled") => Self::IssueLabeled,
            ("issue_comment", "created") => Self::IssueComment,
            ("pull_request_review_comment", "created") => Self::ReviewComment,
            ("pull_request_review", "submitted") => Self::ReviewSubmitted,
            ("pull_request", "opened") => Self::PullRequestOpened,
            ("pull_request", "ready_for_review") => Self::PullRequestReady,
            ("pull_request", "labeled") => Self::PullRequestLabeled,
            ("pull_request", "review_requested") => Self::ReviewRequested,
            ("check_run", "completed") if failed("check_run") => Self::CheckFailed,
            ("workflow_run", "completed") if failed("workflow_run") => Self::WorkflowFailed,
            _ => return None,
        })
    }
}

impl fmt::Display for GithubEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An event of a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct GithubEvent<'a> {
    /// What happened.
    pub kind: GithubEventKind,
    /// `owner/name`.
    pub repo: &'a str,
    /// Of the issue or pull request; of a check or workflow, that of its first pull request.
    pub number: Option<u64>,
    /// Of the issue, pull request, check or workflow.
    pub title: &'a str,
    /// What was said; of a check or workflow, its summary.
    pub body: String,
    /// The branch that is to be merged, or was checked; empty for an issue.
    pub branch: &'a str,
    /// The login of who did it.
    pub actor: &'a str,
    /// The labels of the issue or pull request.
    pub labels: Vec<&'a str>,
    /// The label that was given, for an event about one.
    pub label: Option<&'a str>,
    /// The page about it.
    pub url: &'a str,
}

impl<'a> GithubEvent<'a> {
    /// Reads an event; `None` for one that has no name here.
    #[must_use]
    pub fn of(headers: &Headers, payload: &'a Value) -> Option<Self> {
        use GithubEventKind as Kind;
        let kind = Kind::of(headers.get("x-github-event")?, text(payload, &["action"]), payload)?;
        // What the event is about, where its text is, and where its branch.
        let (about, said, branch): (&str, &str, &[&str]) = match kind {
            Kind::IssueOpened | Kind::IssueAssigned | Kind::IssueLabeled => ("issue", "issue", &[]),
            Kind::IssueComment => ("issue", "comment", &[]),
            Kind::ReviewComment => ("pull_request", "comment", &["pull_request", "head", "ref"]),
            Kind::ReviewSubmitted => ("pull_request", "review", &["pull_request", "head", "ref"]),
            Kind::PullRequestOpened | Kind::PullRequestReady | Kind::PullRequestLabeled | Kind::ReviewRequested => {
                ("pull_request", "pull_request", &["pull_request", "head", "ref"])
            }
            Kind::CheckFailed => ("check_run", "check_run", &["check_run", "check_suite", "head_branch"]),
            Kind::WorkflowFailed => ("workflow_run", "workflow_run", &["workflow_run", "head_branch"]),
        };
        let checked = matches!(kind, Kind::CheckFailed | Kind::WorkflowFailed);
        let number =
            if checked { payload[about].pointer("/pull_requests/0/number") } else { payload[about].get("number") };
        let title = if checked { "name" } else { "title" };
        let body = if kind == Kind::CheckFailed {
            text(payload, &["check_run", "output", "summary"])
        } else {
            text(payload, &[said, "body"])
        };
        let labels = payload[about]["labels"].as_array().map(Vec::as_slice).unwrap_or_default();
        let label = text(payload, &["label", "name"]);
        Some(Self {
            kind,
            repo: text(payload, &["repository", "full_name"]),
            number: number.and_then(Value::as_u64),
            title: text(payload, &[about, title]),
            body: body.to_owned(),
            branch: if branch.is_empty() { "" } else { text(payload, branch) },
            actor: text(payload, &["sender", "login"]),
            labels: labels.iter().map(|label| text(label, &["name"])).collect(),
            label: matches!(kind, Kind::IssueLabeled | Kind::PullRequestLabeled).then_some(label),
            url: text(payload, &[said, "html_url"]),
        })
    }

    /// What templates and filters see of it.
    pub(super) fn context(&self, received: Received<'_>) -> Value {
        json!({
            "event": self.kind.as_str(),
            "repo": self.repo,
            "number": self.number,
            "title": self.title,
            "body": self.body,
            "branch": self.branch,
            "actor": self.actor,
            "labels": self.labels,
            "url": self.url,
            "payload": received.payload,
            "headers": kept(received.headers),
            "delivery_id": received.delivery_id,
        })
    }
}

/// Whether a request only asks whether somebody is there: GitHub sends one when a webhook is set up.
#[must_use]
pub fn is_ping(headers: &Headers) -> bool {
    headers.get("x-github-event").is_some_and(|event| event == "ping")
}

/// The text at a path of fields; empty where there is none.
fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    path.iter().fold(value, |value, field| &value[*field]).as_str().unwrap_or_default()
}
