//! The daemon that runs, if one does, and the jobs it has.

use super::super::context::{Context, Reach};
use super::super::files::JobFiles;
use super::Finding;

const CHECK: &str = "daemon";

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let mut findings = match context.reach().await {
        Ok(Reach::Daemon(daemon)) => match daemon.health().await {
            Ok(health) => {
                let ours = env!("CARGO_PKG_VERSION");
                let mut findings = vec![if health.version == ours {
                    Finding::ok(CHECK, format!("running, version {ours}, pid {}", health.pid))
                } else {
                    let theirs = &health.version;
                    Finding::warn(
                        CHECK,
                        format!("running version {theirs}, and this is {ours}: start it again to upgrade"),
                    )
                }];
                findings.extend(health.problems.iter().map(|problem| Finding::warn(CHECK, problem)));
                findings.extend(lost(health.deliveries_lost));
                findings
            }
            Err(error) => vec![Finding::fail(CHECK, error.to_string())],
        },
        Ok(Reach::Files(_)) => vec![Finding::warn(CHECK, "not running: `bog-agents-daemon run` starts it")],
        Err(error) => vec![Finding::fail(CHECK, format!("{error:#}"))],
    };
    findings.push(config(context));
    // Where the configuration is not valid, that was just said.
    findings.extend(context.files().map(|files| jobs(&files)).unwrap_or_default());
    findings
}

fn lost(deliveries: u64) -> Option<Finding> {
    let advice =
        "`deliveries list --state gave_up` and `--state unknown` name them, `deliveries redeliver` makes one again";
    (deliveries > 0).then(|| Finding::warn("deliveries", format!("{deliveries} gave up in the last day: {advice}")))
}

fn config(context: &Context) -> Finding {
    match crate::config::Config::load(&context.data_dir) {
        Ok(_) => Finding::ok("config.toml", "valid, or left out"),
        Err(error) => Finding::fail("config.toml", error.to_string()),
    }
}

fn jobs(files: &JobFiles) -> Vec<Finding> {
    const CHECK: &str = "jobs";
    let (ids, strangers) = match files.ids() {
        Ok(found) => found,
        Err(error) => return vec![Finding::fail(CHECK, format!("{error:#}"))],
    };
    let mut findings: Vec<_> = strangers
        .iter()
        .map(|name| Finding::warn(CHECK, format!("`{name}` is not a job's file: rename it to `ID.yaml`")))
        .collect();
    for id in &ids {
        match files.read(id).map(|file| file.job) {
            Ok(Ok(_)) => {}
            Ok(Err(wrong)) => findings.push(Finding::fail(CHECK, format!("`{}`: {wrong}", files.path(id).display()))),
            Err(error) => findings.push(Finding::fail(CHECK, format!("{error:#}"))),
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("{} valid", ids.len())));
    }
    findings
}
