//! Where something goes: an output as written, rendered.

use crate::outputs::Target;
use bog_domain::job::Job;
use bog_domain::spec::{FileMode, OutputSpec};
use bog_domain::template::Template;
use serde_json::Value;
use std::path::PathBuf;

/// The target of an output.
///
/// # Errors
/// When a template in it cannot be rendered, or it is not served.
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
        OutputSpec::Slack(_) | OutputSpec::Webhook(_) | OutputSpec::Email(_) | OutputSpec::GithubComment(_) => Err(
            format!("`{}` is not served by this version, which delivers to `log`, `stdout` and `file`", spec.kind()),
        ),
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
