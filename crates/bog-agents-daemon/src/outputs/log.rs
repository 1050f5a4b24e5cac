//! The daemon's own log: one structured line, the text quoted, so that an agent's output cannot forge log lines.

use super::Message;
use bog_domain::delivery::Attempted;

pub(super) fn deliver(message: &Message) -> Attempted {
    let Message { delivery, job, run, outcome, text } = message;
    tracing::info!(job.id = %job, run.id = %run, delivery.id = %delivery, %outcome, output = ?text.trim_end(), "output");
    Attempted::Delivered { receipt: None }
}
