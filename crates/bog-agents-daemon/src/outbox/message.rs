//! What is said: the run's output, or what an output's template makes of it; of a job that begins to fail or works again,
//! a few words.

use crate::outputs::Message;
use crate::store::{DueDelivery, RunRow};
use bog_domain::delivery::Purpose;
use bog_domain::fire::Cause;
use bog_domain::incident::Incident;
use bog_domain::run::Outcome;
use bog_domain::spec::OutputSpec;
use bog_domain::template::Template;
use serde_json::Value;

/// The text of a delivery; secrets are still in it.
///
/// # Errors
/// When its template cannot be rendered.
pub(super) fn render(due: &DueDelivery, context: &Value, output: String) -> Result<String, String> {
    let run = &due.run;
    let text = match due.delivery.purpose {
        Purpose::Output => with_error(run, output),
        Purpose::Alert => format!("{} began to fail.{}\nRun {}.", named(run), how(run), run.id),
        Purpose::Recovery => {
            format!("{} works again.{}\nRun {}.", named(run), before(due.delivery.incident), run.id)
        }
    };
    templated(&due.delivery.spec, context, text)
}

/// What an output's template makes of a text, no longer than the output wants it.
pub(super) fn templated(spec: &OutputSpec, context: &Value, text: String) -> Result<String, String> {
    let text = match spec.template() {
        None => text,
        Some(template) => Template::parse(template)
            .and_then(|template| template.render(context))
            .map_err(|error| format!("`template`: {error}"))?,
    };
    Ok(match spec.max_length().and_then(|most| text.char_indices().nth(most)) {
        Some((cut, _)) => format!("{} [cut]", &text[..cut]),
        None => text,
    })
}

/// The message that carries a text. Whatever it causes is caused by the run, which is `depth` runs away from the outside
/// world.
pub(super) fn message(due: &DueDelivery, text: String, error: Option<String>, cause: Cause) -> Message {
    let DueDelivery { delivery, run, .. } = due;
    Message {
        delivery: delivery.id,
        job: run.job_id.clone(),
        job_name: run.job_name.clone(),
        run: run.id,
        outcome: run.outcome.unwrap_or(Outcome::Interrupted),
        text,
        error,
        started_at: run.started_at,
        finished_at: run.finished_at,
        cause,
        sample: false,
    }
}

/// Without a template a run that did not succeed says so, and why.
fn with_error(run: &RunRow, output: String) -> String {
    match (run.outcome, &run.error) {
        (Some(Outcome::Succeeded) | None, _) => output,
        (Some(outcome), error) => {
            let error = error.as_deref().map(|error| format!(": {}", error.trim_end())).unwrap_or_default();
            let between = if output.is_empty() || output.ends_with('\n') { "" } else { "\n" };
            format!("{output}{between}[{} {outcome}{error}]", run.job_id)
        }
    }
}

/// The job as people know it.
fn named(run: &RunRow) -> String {
    if run.job_name == run.job_id.as_str() {
        format!("Job `{}`", run.job_id)
    } else {
        format!("Job `{}` ({})", run.job_id, run.job_name)
    }
}

fn how(run: &RunRow) -> String {
    let outcome = run.outcome.unwrap_or(Outcome::Interrupted);
    let error = run.error.as_deref().map(|error| format!(": {}", error.trim_end())).unwrap_or_default();
    format!(" Its run ended as `{outcome}`{error}")
}

fn before(incident: Option<Incident>) -> String {
    let told = |Incident { since, failures }| {
        let runs = if failures == 1 { "1 run".to_owned() } else { format!("{failures} runs") };
        format!(" It had failed since {since}: {runs}.")
    };
    incident.map(told).unwrap_or_default()
}
