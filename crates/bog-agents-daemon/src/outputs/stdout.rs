//! The daemon's standard output: the text, and a line's end where it has none.

use super::Message;
use bog_domain::delivery::Attempted;
use std::io::Write;

pub(super) fn deliver(message: &Message) -> Attempted {
    let mut text = message.text.clone();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Attempted::Delivered { receipt: None },
        Err(error) => {
            Attempted::Passing { error: format!("standard output cannot be written: {error}"), retry_after: None }
        }
    }
}
