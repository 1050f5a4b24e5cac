//! The text of a comment and the lines in it that no reader sees. They come first: nothing in an agent's text, such as a
//! code block that is never closed, can make them visible, and nothing in it is taken for one of them.

use crate::outputs::Message;
use bog_domain::text::{head, split};

/// Characters of a comment; GitHub takes 65,536.
const LIMIT: usize = 65_536;

/// Characters that the hidden lines may take, and a note at the end.
const RESERVED: usize = 1024;

/// The text in as many comments as it needs.
pub(super) fn parts(message: &Message) -> Vec<String> {
    let text = shown(message);
    let pieces = split(&text, LIMIT - RESERVED);
    let count = pieces.len();
    let numbered = |(part, piece): (usize, &str)| {
        let note = if count > 1 { format!("\n\n_{} of {count}_", part + 1) } else { String::new() };
        format!("{}\n{}{note}\n", markers(message, part, count), piece.trim_end())
    };
    pieces.into_iter().enumerate().map(numbered).collect()
}

/// The text in one comment, cut where it is too long for one.
pub(super) fn whole(message: &Message) -> String {
    let text = shown(message);
    let (text, cut) = head(&text, LIMIT - RESERVED);
    let note = if cut { "\n\n_The rest is in the run's record._" } else { "" };
    format!("{}\n{}{note}\n", markers(message, 0, 1), text.trim_end())
}

/// GitHub takes no empty comments.
fn shown(message: &Message) -> String {
    let text = message.text.trim_end();
    let text = if text.is_empty() {
        format!("_{} {}, without a word._", message.job, message.outcome)
    } else {
        text.to_owned()
    };
    if message.sample { format!("**Sample.** {text}") } else { text }
}

fn markers(message: &Message, part: usize, parts: usize) -> String {
    let lines = [message.cause.to_marker(), job_marker(message), delivery_marker(message, part, parts), String::new()];
    lines.join("\n")
}

/// The line that all comments of a job share.
pub(super) fn job_marker(message: &Message) -> String {
    format!("<!-- bog-agents-daemon job: {} -->", message.job)
}

/// The line that only this part of this delivery has.
pub(super) fn delivery_marker(message: &Message, part: usize, parts: usize) -> String {
    format!("<!-- bog-agents-daemon delivery: {} {}/{parts} -->", message.delivery, part + 1)
}

/// Whether a comment begins with hidden lines, this one among them.
pub(super) fn is_marked(body: &str, marker: &str) -> bool {
    body.lines().map(str::trim).take_while(|line| line.starts_with("<!-- ")).any(|line| line == marker)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bog_domain::fire::Cause;

    #[test]
    fn a_comment_is_marked_where_nobody_looks() {
        let message = crate::outputs::sample::message();
        let parts = parts(&message);
        assert_eq!(parts.len(), 1);
        assert_eq!(Cause::from_marked(&parts[0]), Some(message.cause));
        assert!(is_marked(&parts[0], &job_marker(&message)) && is_marked(&parts[0], &delivery_marker(&message, 0, 1)));
        assert!(!is_marked(&format!("> quoted\n{}", parts[0]), &job_marker(&message)));
        insta::assert_snapshot!(parts[0]);
    }

    #[test]
    fn long_texts_are_split_or_cut_below_the_limit() {
        let mut message = crate::outputs::sample::message();
        message.text = "ä line of text\n".repeat(12_000);
        let parts = parts(&message);
        assert_eq!(parts.len(), 3);
        assert!(parts.iter().chain([&whole(&message)]).all(|part| part.chars().count() <= LIMIT));
        assert!(parts[2].ends_with("_3 of 3_\n"));
        message.text.clear();
        message.sample = true;
        assert!(whole(&message).ends_with("\n**Sample.** _nightly failed, without a word._\n"));
    }
}
