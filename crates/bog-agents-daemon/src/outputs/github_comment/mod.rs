//! A comment on an issue or pull request. Hidden lines at its beginning say which run caused it, which job it is of and
//! which delivery it is: whoever gets it back as an event knows it, and an attempt whose predecessor got no answer finds
//! what that one wrote instead of writing it again.

mod api;
mod body;

use super::{Context, Message};
use api::{Api, Comment};
use bog_domain::delivery::Attempted;
use bog_domain::job::issue_number;
use bog_domain::spec::{CommentMode, GithubCommentSpec};
use bog_domain::template::Template;
use serde_json::Value;

/// The variable that holds the token where an output names none.
const TOKEN: &str = "GITHUB_TOKEN";

/// A comment on an issue or pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubComment {
    /// `owner/name`.
    repo: String,
    issue: u64,
    token_env: String,
    /// Base of the API, where it is not the daemon's.
    api_url: Option<String>,
    mode: CommentMode,
}

impl GithubComment {
    /// The target that an output describes.
    ///
    /// # Errors
    /// When the issue's number cannot be rendered, or is none.
    pub fn render(spec: &GithubCommentSpec, context: &Value) -> Result<Self, String> {
        let issue = Template::parse(spec.issue.0.as_str()).and_then(|template| template.render(context));
        let issue = issue.map_err(|error| format!("`issue`: {error}"))?;
        Ok(Self {
            repo: spec.repo.clone(),
            issue: issue_number(&issue)
                .ok_or_else(|| format!("`issue`: `{}` is not an issue's number", issue.trim()))?,
            token_env: spec.token_env.clone().unwrap_or_else(|| TOKEN.to_owned()),
            api_url: spec.api_url.clone(),
            mode: spec.mode.unwrap_or_default(),
        })
    }

    /// Whether the receipt of the job's last message matters to it.
    pub(super) fn looks_back(&self) -> bool {
        self.mode == CommentMode::Update
    }

    pub(super) async fn deliver(&self, message: &Message, context: &Context) -> Attempted {
        match self.write(message, context).await {
            Ok(receipt) => Attempted::Delivered { receipt: Some(receipt) },
            Err(attempted) => attempted,
        }
    }

    async fn write(&self, message: &Message, context: &Context) -> Result<String, Attempted> {
        let services = &context.services;
        let api = Api {
            http: &services.http,
            base: self.api_url.as_deref().unwrap_or(&services.github_api),
            token: context.secret(&self.token_env).await?,
            repo: &self.repo,
            issue: self.issue,
        };
        match self.mode {
            CommentMode::New => new(&api, message, context).await,
            CommentMode::Update => update(&api, message, context).await,
        }
    }
}

/// Writes what is not there yet: after a first attempt some of it may be.
async fn new(api: &Api<'_>, message: &Message, context: &Context) -> Result<String, Attempted> {
    let written = if context.attempt > 1 { api.since(message.finished_at).await? } else { Vec::new() };
    let parts = body::parts(message);
    let mut first = None;
    for (part, text) in parts.iter().enumerate() {
        let marker = body::delivery_marker(message, part, parts.len());
        let comment = match written.iter().find(|comment| body::is_marked(&comment.body, &marker)) {
            Some(comment) => comment.clone(),
            None => api.create(text).await?,
        };
        first.get_or_insert(comment.html_url);
    }
    let more = if parts.len() > 1 { format!(" (and {} more)", parts.len() - 1) } else { String::new() };
    Ok(format!("{}{more}", first.unwrap_or_default()))
}

/// Rewrites the job's last comment on the issue, which is the one of the last receipt or, where that says nothing, the last
/// one that is marked so.
async fn update(api: &Api<'_>, message: &Message, context: &Context) -> Result<String, Attempted> {
    let text = body::whole(message);
    if let Some(id) = context.previous.as_deref().and_then(|receipt| comment_id(receipt, api.repo, api.issue))
        && let Some(comment) = api.edit(id, &text).await?
    {
        return Ok(comment.html_url);
    }
    let marker = body::job_marker(message);
    let found = api.last(|comment: &Comment| body::is_marked(&comment.body, &marker)).await?;
    if let Some(comment) = found
        && let Some(comment) = api.edit(comment.id, &text).await?
    {
        return Ok(comment.html_url);
    }
    Ok(api.create(&text).await?.html_url)
}

/// The id of the comment that a receipt names, if it is one on this issue.
fn comment_id(receipt: &str, repo: &str, issue: u64) -> Option<u64> {
    let (url, id) = receipt.split(' ').next()?.split_once("#issuecomment-")?;
    let here = ["issues", "pull"].iter().any(|kind| url.ends_with(&format!("/{repo}/{kind}/{issue}")));
    id.parse().ok().filter(|_| here)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::spec::IssueNumber;
    use serde_json::json;

    #[test]
    fn the_number_is_rendered_and_is_a_number() {
        let spec = |issue: &str| GithubCommentSpec {
            repo: "a/b".to_owned(),
            issue: IssueNumber(issue.to_owned()),
            ..GithubCommentSpec::default()
        };
        let context = json!({"event": {"number": 7, "title": "1/comments?x="}});
        assert_eq!(GithubComment::render(&spec("{{ event.number }}"), &context).unwrap().issue, 7);
        let error = GithubComment::render(&spec("{{ event.title }}"), &context).unwrap_err();
        assert_eq!(error, "`issue`: `1/comments?x=` is not an issue's number");
    }

    #[test]
    fn a_receipt_names_a_comment_of_this_issue_only() {
        let url = "https://github.com/a/b/issues/7#issuecomment-99";
        assert_eq!(comment_id(url, "a/b", 7), Some(99));
        assert_eq!(comment_id("https://github.com/a/b/pull/7#issuecomment-99", "a/b", 7), Some(99));
        for (repo, issue) in [("a/c", 7), ("a/b", 8)] {
            assert_eq!(comment_id(url, repo, issue), None, "{repo} {issue}");
        }
        assert_eq!(comment_id("200 OK", "a/b", 7), None);
    }
}
