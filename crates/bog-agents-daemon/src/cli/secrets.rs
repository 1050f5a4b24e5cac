//! Secrets as they look from a command: its environment may be another than the daemon's.

use crate::secrets::{resolve, warnings};
use bog_domain::spec::JobSpec;

/// What is to be said of the secrets that a job names.
pub async fn seen_from_here(spec: &JobSpec) -> Vec<String> {
    let mut said = Vec::new();
    for name in spec.written_secret_names() {
        let found = resolve(&name).await;
        let here = if found.is_err() {
            "; this was looked for from here: the daemon may have another environment"
        } else {
            ""
        };
        said.extend(warnings(&name, &found).into_iter().map(|warning| warning + here));
    }
    said
}
