//! The secrets that jobs name: there, long enough to be masked, nobody else's to read. Never a value.

use super::super::context::{Context, Reach};
use super::super::files::JobFiles;
use super::super::secrets::seen_from_here;
use super::Finding;
use crate::secrets::ABOUT;
use bog_domain::ids::JobId;
use bog_domain::spec::JobSpec;
use std::collections::BTreeMap;

const CHECK: &str = "secrets";

/// Asks the daemon, whose environment counts; where none runs, looks from here.
pub(super) async fn check(context: &Context) -> Vec<Finding> {
    // What is wrong with the configuration or the files is said elsewhere.
    let Ok(files) = context.files() else { return Vec::new() };
    let reach = context.reach().await.ok();
    let (mut said, mut named) = (BTreeMap::<String, Vec<String>>::new(), 0);
    for (id, spec) in jobs(&files) {
        let names = spec.written_secret_names().len();
        if names == 0 {
            continue;
        }
        named += names;
        for warning in warnings(reach.as_ref(), &id, &spec).await {
            said.entry(warning).or_default().push(id.to_string());
        }
    }
    if said.is_empty() {
        return vec![Finding::ok(CHECK, format!("{named} named by jobs"))];
    }
    let finding =
        |(warning, jobs): (String, Vec<String>)| Finding::warn(CHECK, format!("{warning} (job {})", jobs.join(", ")));
    said.into_iter().map(finding).collect()
}

fn jobs(files: &JobFiles) -> Vec<(JobId, JobSpec)> {
    let (ids, _) = files.ids().unwrap_or_default();
    let spec = |id: JobId| {
        let (spec, _) = files.read(&id).ok()?.job.ok()?;
        Some((id, spec))
    };
    ids.into_iter().filter_map(spec).collect()
}

async fn warnings(reach: Option<&Reach>, id: &JobId, spec: &JobSpec) -> Vec<String> {
    match reach {
        Some(Reach::Daemon(daemon)) => {
            let job = daemon.job(id).await.map(|job| job.warnings).unwrap_or_default();
            job.into_iter().filter(|warning| warning.starts_with(ABOUT)).collect()
        }
        Some(Reach::Files(_)) | None => seen_from_here(spec).await,
    }
}
