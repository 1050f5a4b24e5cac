//! What a message looks like: the text in sections, and below it in small print which run it is of.
//!
//! Nothing in a text is obeyed: without `<`, `>` and `&` it mentions nobody and links to nothing but what it shows
//! (<https://docs.slack.dev/messaging/formatting-message-text>).

use crate::outputs::Message;
use bog_domain::run::Outcome;
use bog_domain::text::{head, split};
use serde_json::{Value, json};

/// Sections of a message in a channel; a longer text is a file.
pub(super) const FEW: usize = 4;

/// Sections of a message that holds as much as it can; Slack takes 50 blocks.
pub(super) const MANY: usize = 12;

/// Characters of a section; Slack takes 3000.
const SECTION: usize = 3000;

/// Characters of what notifications show.
const NOTICE: usize = 200;

/// A text in pieces that fit into sections, escaped as they will be.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    let fits = |piece: &str| escaped(piece).chars().count() <= SECTION;
    // The longest escape has five characters.
    let refine = |piece| if fits(piece) { vec![piece] } else { split(piece, SECTION / 5) };
    split(text.trim_end(), SECTION).into_iter().flat_map(refine).collect()
}

/// A message with these pieces of its text.
pub(super) fn of(message: &Message, pieces: &[&str]) -> Value {
    content(message, pieces, "")
}

/// A message with the beginning of its text, whose whole follows as a file.
pub(super) fn before_file(message: &Message, pieces: &[&str]) -> Value {
    content(message, pieces, " · the whole text is in the file below")
}

/// A message that continues another.
pub(super) fn continued(pieces: &[&str]) -> Value {
    json!({ "text": "...", "blocks": sections(pieces) })
}

fn content(message: &Message, pieces: &[&str], note: &str) -> Value {
    let mut blocks = sections(pieces);
    let icon = if message.outcome == Outcome::Succeeded { ":white_check_mark:" } else { ":x:" };
    let sample = if message.sample { "[sample] " } else { "" };
    let title = format!("{sample}{} {}", escaped(&message.job_name), message.outcome);
    let small = format!("{icon} *{title}* · run `{}`{note}", message.run);
    blocks.push(json!({ "type": "context", "elements": [{ "type": "mrkdwn", "text": small }] }));
    let (notice, _) = head(message.text.trim(), NOTICE);
    json!({ "text": format!("{title}: {}", escaped(notice)), "blocks": blocks, "metadata": metadata(message) })
}

/// What is sent along for programs.
fn metadata(message: &Message) -> Value {
    json!({
        "event_type": "bog_run_finished",
        "event_payload": {
            "delivery_id": message.delivery.to_string(),
            "job_id": message.job.as_str(),
            "run_id": message.run.to_string(),
            "outcome": message.outcome.as_str(),
            "cause": message.cause.to_header(),
        },
    })
}

fn sections(pieces: &[&str]) -> Vec<Value> {
    let section = |piece: &&str| json!({ "type": "section", "text": { "type": "mrkdwn", "text": escaped(piece) } });
    pieces.iter().filter(|piece| !piece.trim().is_empty()).map(section).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_its_text_and_obeys_nothing_in_it() {
        let mut message = crate::outputs::sample::message();
        message.text.push_str("<!channel> <https://evil.example.com|fine>");
        insta::assert_json_snapshot!(of(&message, &pieces(&message.text)));
    }

    #[test]
    fn every_piece_fits_its_section() {
        let text = format!("{}\n{}", "a line\n".repeat(2000), "<&>".repeat(3000));
        let pieces = pieces(&text);
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| escaped(piece).chars().count() <= SECTION));
        assert!(super::pieces(" \n").is_empty());
    }
}
