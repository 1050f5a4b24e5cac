//! `deliveries show`: one delivery, all that is known of it.

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::out::{Ink, fields};
use super::super::when::{distance, local};
use super::standing;
use crate::api::wire::Delivery;
use bog_domain::delivery::Purpose;
use bog_domain::ids::DeliveryId;

/// Show a delivery: where it goes, how it stands, what the target said
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The delivery
    delivery: DeliveryId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows a delivery.
pub async fn run(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let delivery = context.daemon()?.delivery(args.delivery).await?;
    if args.json {
        context.out.json(&delivery)?;
    } else {
        context.out.text(&render(&delivery, context))?;
    }
    Ok(Exit::Ok)
}

fn render(delivery: &Delivery, context: &Context) -> String {
    let paint = context.out.paint;
    let why = match delivery.purpose {
        Purpose::Output => String::new(),
        Purpose::Alert => "alert: the job began to fail".to_owned(),
        Purpose::Recovery => "recovery: the job works again".to_owned(),
    };
    let next =
        delivery.next_attempt_at.map(|at| format!("{} ({})", local(at, &context.zone), distance(at, context.now)));
    let waits = delivery.waits.then(|| "after an earlier one of its job to the same target".to_owned());
    fields(&[
        ("delivery", delivery.id.clone()),
        ("job", delivery.job_id.clone()),
        ("run", delivery.run_id.clone()),
        ("why", why),
        ("target", delivery.target.clone()),
        ("standing", standing(delivery, paint)),
        ("attempts", delivery.attempts.to_string()),
        ("next attempt", next.or(waits).unwrap_or_default()),
        ("error", delivery.error.as_ref().map(|error| paint.with(Ink::Bad, error)).unwrap_or_default()),
        ("receipt", delivery.receipt.clone().unwrap_or_default()),
        ("made", local(delivery.created_at, &context.zone)),
        ("changed", local(delivery.updated_at, &context.zone)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::{Out, Paint};
    use jiff::tz::TimeZone;

    #[test]
    fn a_delivery_shows_all_that_is_known_of_it() {
        let delivery: Delivery = serde_json::from_value(serde_json::json!({
            "id": "01890a5d-ac96-774b-bcce-b302099a8059", "job_id": "morning-brief",
            "run_id": "01890a5d-ac96-774b-bcce-b302099a8057", "purpose": "alert", "target": "slack:#ops", "state": "unknown",
            "attempts": 3, "next_attempt_at": "2026-11-23T08:05:00Z", "waits": false, "error": "no answer within 30s",
            "receipt": null, "incident": {"since": "2026-11-23T08:00:00Z", "failures": 1},
            "created_at": "2026-11-23T08:00:00Z", "updated_at": "2026-11-23T08:01:00Z"
        }))
        .unwrap();
        let mut out = Out::new();
        out.paint = Paint::fixed(false);
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let context = Context { data_dir: "/data".into(), out, zone, now: delivery.updated_at };
        let settled = Delivery {
            purpose: Purpose::Output,
            state: bog_domain::delivery::DeliveryState::Delivered,
            next_attempt_at: None,
            error: None,
            receipt: Some("1732345678.000100".to_owned()),
            ..delivery.clone()
        };
        insta::assert_snapshot!([render(&delivery, &context), render(&settled, &context)].join("\n\n"));
    }
}
