//! `doctor`: whether everything is as the daemon needs it, one line per check, each with what to do.

mod agents;
mod daemon;
mod deep;
mod folder;
mod limits;
mod machine;
mod orphans;
mod sandbox;
mod secrets;

use super::context::Context;
use super::exit::Exit;
use super::out::{Ink, Paint};
use serde::Serialize;

/// Check that everything is as the daemon needs it
///
/// Ends with 1 where a check fails. Warnings are things that may be as you want them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Check every invariant of the record too, and its runs' folders
    #[arg(long)]
    deep: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    verdict: Verdict,
    check: &'static str,
    detail: String,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, check, detail: detail.into() }
    }

    fn warn(check: &'static str, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warn, check, detail: detail.into() }
    }

    fn fail(check: &'static str, detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Fail, check, detail: detail.into() }
    }
}

/// Checks.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let mut findings = folder::check(context);
    findings.extend(machine::check(context));
    findings.extend(sandbox::check());
    findings.extend(limits::check(context));
    findings.extend(agents::check().await);
    findings.extend(daemon::check(context).await);
    findings.extend(orphans::check(context));
    findings.extend(secrets::check(context).await);
    if args.deep {
        findings.extend(deep::check(context));
    }
    if args.json {
        context.out.json(&findings)?;
    } else {
        context.out.text(&render(&findings, context.out.paint))?;
    }
    let failed = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

fn render(findings: &[Finding], paint: Paint) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let line = |finding: &Finding| {
        let mark = match finding.verdict {
            Verdict::Ok => paint.with(Ink::Good, "ok  "),
            Verdict::Warn => paint.with(Ink::Care, "warn"),
            Verdict::Fail => paint.with(Ink::Bad, "fail"),
        };
        format!("{mark}  {:width$}  {}", finding.check, finding.detail)
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_per_check() {
        let findings =
            [Finding::ok("git", "version 2"), Finding::warn("agents", "none"), Finding::fail("data folder", "gone")];
        assert_eq!(
            render(&findings, Paint::fixed(false)),
            "ok    git          version 2\nwarn  agents       none\nfail  data folder  gone"
        );
    }
}
