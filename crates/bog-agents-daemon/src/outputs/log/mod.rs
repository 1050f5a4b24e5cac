//! The daemon's own log: one structured line, the text quoted, so that an agent's output cannot forge log lines. Where that
//! log is systemd's journal, an entry of its own with the text as it is and its fields to search for.

#[cfg(target_os = "linux")]
mod journal;

use super::Message;
use bog_domain::delivery::Attempted;

pub(super) fn deliver(message: &Message) -> Attempted {
    #[cfg(target_os = "linux")]
    if let Some(socket) = journal::socket() {
        return journal::deliver(&socket, message);
    }
    let Message { delivery, job, run, outcome, text, .. } = message;
    tracing::info!(job.id = %job, run.id = %run, delivery.id = %delivery, %outcome, output = ?text.trim_end(), "output");
    Attempted::Delivered { receipt: None }
}
