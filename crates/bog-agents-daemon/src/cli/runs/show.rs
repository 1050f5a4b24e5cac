//! `runs show`: one run, all that is known of it.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::out::{Ink, fields};
use super::super::when::local;
use super::contained;
use crate::api::wire::{Run, RunDelivery};
use bog_domain::ids::RunId;
use bog_domain::run::Usage;
use bog_domain::units::ByteSize;

/// Show a run: how it ended, what it consumed, what held it, where its result went
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run
    run: RunId,
    /// Print its output only
    #[arg(long, conflicts_with = "json")]
    output: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows a run.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let run = context.daemon()?.run(args.run).await?;
    if args.json {
        context.out.json(&run)?;
    } else if args.output {
        context.out.piece(&run.output)?;
    } else {
        context.out.text(&render(&run, context))?;
    }
    Ok(Exit::Ok)
}

fn render(run: &Run, context: &Context) -> String {
    let paint = context.out.paint;
    let time = |at: Option<jiff::Timestamp>| at.map(|at| local(at, &context.zone)).unwrap_or_default();
    let finished =
        run.finished_at.map(|at| format!("{} (took {})", local(at, &context.zone), super::took(run, context.now)));
    let fires = if run.fires > 1 { format!(", {} fires merged into it", run.fires) } else { String::new() };
    let errors: Vec<_> = run.dispatch_errors.iter().map(|error| format!("{}: {}", error.target, error.error)).collect();
    let deliveries: Vec<_> = run.deliveries.iter().map(delivery).collect();
    let job =
        if run.job_name == run.job_id { run.job_id.clone() } else { format!("{} ({})", run.job_id, run.job_name) };
    let [limit_hit, sandbox, held, missing, limits] = contained::rows(run, paint);
    let head = fields(&[
        ("run", run.id.clone()),
        ("job", format!("{job}, revision {}", run.revision)),
        ("standing", super::standing_painted(run, paint)),
        ("error", run.error.as_ref().map(|error| paint.with(Ink::Bad, error)).unwrap_or_default()),
        limit_hit,
        ("exit code", run.exit_code.map(|code| code.to_string()).unwrap_or_default()),
        ("trigger", format!("{} (fire {}){fires}", run.trigger, run.fire_id)),
        ("attempts", format!("{} of at most {}", run.attempt, run.max_attempts)),
        ("queued", time(Some(run.queued_at))),
        ("started", time(run.started_at)),
        ("finished", finished.unwrap_or_default()),
        ("usage", usage(&run.usage)),
        sandbox,
        held,
        missing,
        limits,
        ("deliveries", deliveries.join("\n")),
        ("gave up", errors.join("\n")),
    ]);
    if run.output.is_empty() {
        return head;
    }
    let cut = if run.output_truncated { " (it said more than is kept)" } else { "" };
    format!("{head}\n\n{}\n{}", paint.with(Ink::Strong, &format!("output{cut}")), run.output)
}

fn delivery(delivery: &RunDelivery) -> String {
    let tries = if delivery.attempts > 1 { format!(" after {} attempts", delivery.attempts) } else { String::new() };
    let said =
        delivery.error.as_ref().or(delivery.receipt.as_ref()).map(|text| format!(": {text}")).unwrap_or_default();
    format!("{} {}{tries}{said}", delivery.target, delivery.state)
}

fn usage(usage: &Usage) -> String {
    let tokens = |count: Option<u64>, what: &str| count.map(|count| format!("{count} {what} tokens"));
    let parts = [
        tokens(usage.input_tokens, "input"),
        tokens(usage.output_tokens, "output"),
        usage.cost_usd.map(|cost| format!("{cost} USD")),
        usage.cpu_seconds.map(|seconds| format!("{seconds:.2} s of CPU")),
        usage.peak_memory_bytes.map(|bytes| format!("{} of memory", memory(bytes))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Whole MiB, or KiB below one.
fn memory(bytes: u64) -> ByteSize {
    let unit: u64 = if bytes >= 1 << 20 { 1 << 20 } else { 1 << 10 };
    ByteSize::new(bytes.div_ceil(unit) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::{Out, Paint};
    use jiff::tz::TimeZone;

    #[test]
    fn a_run_shows_all_that_is_known_of_it() {
        let run: Run = serde_json::from_value(serde_json::json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8057", "job_id": "morning-brief", "job_name": "Morning brief",
            "revision": 3, "fire_id": "01890a5d-ac96-774b-bcce-b302099a8058", "trigger": "cron", "fires": 2, "attempt": 2,
            "max_attempts": 3, "state": "finished", "outcome": "failed", "queued_at": "2026-11-23T08:00:00Z",
            "started_at": "2026-11-23T08:00:01Z", "finished_at": "2026-11-23T08:01:06Z", "exit_code": 3,
            "output": "half\nof it\n", "output_truncated": true, "error": "exit code 3\nlast words",
            "usage": {"input_tokens": 100, "output_tokens": null, "cost_usd": 0.0123, "cpu_seconds": 1.234, "peak_memory_bytes": 5_300_000},
            "limit": null, "containment": {"sandbox": "enforced", "network": "none", "held": ["pid_namespace", "seccomp"]},
            "dispatch_errors": [{"target": "slack:#x", "error": "no token"}],
            "deliveries": [
                {"id": "1", "target": "log", "state": "delivered", "attempts": 1, "error": null, "receipt": null},
                {"id": "2", "target": "slack:#x", "state": "gave_up", "attempts": 4, "error": "no token", "receipt": null}
            ]
        }))
        .unwrap();
        let mut out = Out::new();
        out.paint = Paint::fixed(false);
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let context = Context { data_dir: "/data".into(), out, zone, now: run.queued_at };
        insta::assert_snapshot!(render(&run, &context));
    }
}
