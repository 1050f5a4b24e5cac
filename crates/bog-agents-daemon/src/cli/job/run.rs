//! `job run`: a fire by hand.

use super::super::context::Context;
use super::super::exit::{Exit, usage};
use super::super::runs::follow;
use crate::api::wire::FireByHand;
use bog_domain::ids::JobId;
use std::path::Path;

/// Fire a job by hand, enabled or not
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job
    job: JobId,
    /// Show what happens until the run ends; ends with 1 unless it succeeded
    #[arg(long, short)]
    wait: bool,
    /// What templates see as `event.payload`: JSON, `@FILE`, or `@-` for standard input
    #[arg(long, value_name = "JSON|@FILE")]
    payload: Option<String>,
    /// Print JSON: what the fire came to or, with --wait, the run that ended
    #[arg(long)]
    json: bool,
}

/// Fires a job.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let payload = args.payload.as_deref().map(payload).transpose()?.unwrap_or_default();
    let daemon = context.daemon()?;
    let fired = daemon.fire_job(&args.job, &FireByHand { payload }).await?;
    follow::fired(&fired, &daemon, follow::How { wait: args.wait, json: args.json }, context).await
}

fn payload(given: &str) -> anyhow::Result<serde_json::Value> {
    let text = match given.strip_prefix('@') {
        Some("-") => {
            std::io::read_to_string(std::io::stdin()).map_err(|error| usage(format!("`@-` cannot be read: {error}")))?
        }
        Some(file) => std::fs::read_to_string(Path::new(file))
            .map_err(|error| usage(format!("`{file}` cannot be read: {error}")))?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text).map_err(|error| {
        usage(format!("`--payload` is not JSON ({error}): for example `{{\"number\": 7}}`, or a text in quotes"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_json_or_a_file_of_it() {
        assert_eq!(payload("{\"a\": 1}").unwrap(), serde_json::json!({"a": 1}));
        assert_eq!(
            payload("hello").unwrap_err().to_string(),
            "`--payload` is not JSON (expected value at line 1 column 1): for example `{\"number\": 7}`, or a text in quotes"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[1]").unwrap();
        assert_eq!(payload(&format!("@{}", file.path().display())).unwrap(), serde_json::json!([1]));
        assert!(payload("@/no/such/file").unwrap_err().to_string().starts_with("`/no/such/file` cannot be read: "));
    }
}
