//! `status`: how the daemon is, in a few lines.

use super::context::Context;
use super::exit::Exit;
use super::out::{Ink, fields};
use super::when::{distance, duration, local};
use crate::api::wire::Health;
use jiff::SignedDuration;

/// Show how the daemon is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows how the daemon is.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let health = context.daemon()?.health().await?;
    if args.json {
        context.out.json(&health)?;
    } else {
        context.out.text(&render(&health, context))?;
    }
    Ok(Exit::Ok)
}

fn render(health: &Health, context: &Context) -> String {
    let ink = if health.status == "ok" { Ink::Good } else { Ink::Care };
    let lag = i64::try_from(health.scheduler_lag_ms).unwrap_or(i64::MAX);
    let next = health.next_fire_at.map_or_else(
        || "none".to_owned(),
        |at| format!("{} ({})", local(at, &context.zone), distance(at, context.now)),
    );
    let uptime = duration(context.now.duration_since(health.started_at));
    fields(&[
        ("status", context.out.paint.with(ink, &health.status)),
        ("problems", health.problems.join("\n")),
        ("daemon", format!("version {}, pid {}, up {uptime}", health.version, health.pid)),
        ("data folder", health.data_dir.clone()),
        ("jobs", health.job_count.to_string()),
        ("runs", format!("{} running, {} queued", health.running, health.queued)),
        ("deliveries", deliveries(health)),
        ("next slot", next),
        ("lag", if lag == 0 { String::new() } else { duration(SignedDuration::from_millis(lag)) }),
    ])
}

fn deliveries(health: &Health) -> String {
    let lost = match health.deliveries_lost {
        0 => String::new(),
        lost => format!(", {lost} gave up in the last day"),
    };
    format!("{} pending{lost}", health.deliveries_pending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::{Out, Paint};
    use jiff::tz::TimeZone;

    #[test]
    fn health_fits_a_few_lines() {
        let health: Health = serde_json::from_value(serde_json::json!({
            "status": "degraded", "problems": ["job `a`: line 3, column 5: unknown field", "no space left"],
            "version": "0.1.0", "pid": 42, "data_dir": "/data", "started_at": "2026-11-23T07:00:00Z", "job_count": 3,
            "running": 1, "queued": 2, "deliveries_pending": 1, "scheduler_lag_ms": 1500,
            "next_fire_at": "2026-11-23T09:30:00Z"
        }))
        .unwrap();
        let mut out = Out::new();
        out.paint = Paint::fixed(false);
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let context = Context { data_dir: "/data".into(), out, zone, now };
        insta::assert_snapshot!(render(&health, &context));
    }
}
