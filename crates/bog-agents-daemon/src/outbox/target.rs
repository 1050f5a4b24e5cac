//! Where something goes: an output as written, rendered.

use crate::outputs::{Email, GithubComment, Slack, Target, Webhook};
use bog_domain::job::Job;
use bog_domain::spec::{FileMode, OutputSpec};
use bog_domain::template::Template;
use serde_json::Value;
use std::path::PathBuf;

/// The target of an output.
///
/// # Errors
/// When a template in it cannot be rendered, or what comes of one names no target.
pub(super) fn render(spec: &OutputSpec, job: &Job, context: &Value) -> Result<Target, String> {
    match spec {
        OutputSpec::Log(_) => Ok(Target::Log),
        OutputSpec::Stdout(_) => Ok(Target::Stdout),
        OutputSpec::File(file) => {
            let path = Template::parse(file.path.as_str()).and_then(|template| template.render_path(context));
            let path = absolute(job, &path.map_err(|error| format!("`path`: {error}"))?);
            Ok(match file.mode.unwrap_or_default() {
                FileMode::Append => Target::Append { path },
                FileMode::Replace => Target::Replace { path },
            })
        }
        OutputSpec::Slack(slack) => Slack::render(slack).map(Target::Slack),
        OutputSpec::Webhook(hook) => Webhook::render(hook).map(Target::Webhook),
        OutputSpec::Email(email) => Email::render(email, context).map(Target::Email),
        OutputSpec::GithubComment(comment) => GithubComment::render(comment, context).map(Target::GithubComment),
    }
}

/// `~` is the home folder, and a relative path is within the job's folder.
fn absolute(job: &Job, path: &str) -> PathBuf {
    let expanded = crate::env::expand_home(path);
    match &job.working_dir {
        Some(dir) if expanded.is_relative() => crate::env::expand_home(dir).join(expanded),
        Some(_) | None => expanded,
    }
}
