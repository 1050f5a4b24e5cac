//! The letter: headers and two versions of the text. Every value in a header is one line.

use super::{html, one_line};
use crate::outputs::Message;
use bog_domain::cause;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder, MultiPart};

/// Longest text in characters: mail servers take so much and little more.
const MAX_TEXT: usize = 1024 * 1024;

/// The letter that says what a message says.
pub(super) fn of(
    to: &[Mailbox],
    from: Mailbox,
    subject: Option<String>,
    message: &Message,
) -> Result<lettre::Message, String> {
    let domain = from.email.domain().to_owned();
    let thread = format!("<job.{}@{domain}>", message.job);
    let subject = subject.unwrap_or_else(|| one_line(&format!("{}: {}", message.job_name, message.outcome)));
    let subject = if message.sample { format!("[sample] {subject}") } else { subject };
    let mut builder = to.iter().cloned().fold(lettre::Message::builder().from(from), MessageBuilder::to);
    builder = builder
        .subject(subject)
        .message_id(Some(format!("<{}@{domain}>", message.delivery)))
        .in_reply_to(thread.clone())
        .references(thread);
    // RFC 3834: no answering machine answers this.
    builder = with(builder, "Auto-Submitted", "auto-generated")?;
    builder = with(builder, "X-Auto-Response-Suppress", "All")?;
    builder = with(builder, cause::HEADER, &message.cause.to_header())?;
    let (text, cut) = bog_domain::text::head(&message.text, MAX_TEXT);
    let text = format!("{}{}", text.trim_end(), if cut { "\n[cut]" } else { "" });
    let footer = format!("{} {} - run {}", message.job, message.outcome, message.run);
    let html = format!("{}<hr><p><small>{}</small></p>\n", html::of(&text), html::escaped(&footer));
    let parts = MultiPart::alternative_plain_html(format!("{text}\n\n-- \n{footer}\n"), html);
    builder.multipart(parts).map_err(|error| error.to_string())
}

/// The Message-ID.
pub(super) fn id(message: &Message, letter: &lettre::Message) -> String {
    let written = letter.headers().get_raw("Message-ID").map(str::to_owned);
    written.unwrap_or_else(|| message.delivery.to_string())
}

fn with(builder: MessageBuilder, name: &str, value: &str) -> Result<MessageBuilder, String> {
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|error| format!("`{name}`: {error}"))?;
    Ok(builder.raw_header(HeaderValue::new(name, one_line(value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(subject: Option<&str>, message: &Message) -> String {
        let to = ["On call <oncall@example.com>", "b@example.com"].map(|address| address.parse().unwrap());
        let from = "bog@example.com".parse().unwrap();
        let letter = of(&to, from, subject.map(str::to_owned), message).unwrap();
        let text = String::from_utf8(letter.formatted()).unwrap();
        // What differs each time.
        let boundary = text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let without_date = text.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n");
        without_date.replace(&boundary, "BOUNDARY")
    }

    #[test]
    fn a_letter_is_a_letter() {
        insta::assert_snapshot!(letter(None, &crate::outputs::sample::message()));
    }

    #[test]
    fn nothing_that_is_said_becomes_a_header() {
        let mut message = crate::outputs::sample::message();
        message.job_name = "x\r\nBcc: evil@example.com\r\n\r\nbody".to_owned();
        message.text = "a\r\n.\r\nRCPT TO:<evil@example.com>\r\n".to_owned();
        message.sample = true;
        let written = letter(None, &message);
        let (head, _) = written.split_once("\n\n").unwrap();
        assert!(head.lines().all(|line| !line.to_lowercase().starts_with("bcc")), "{head}");
        assert!(head.contains("Subject: [sample] x Bcc: evil@example.com body: failed\n"), "{head}");
        let written = letter(Some("Grüße\u{7}"), &message);
        assert!(written.contains("Subject: [sample] =?utf-8?b?R3LDvMOfZQc=?=\n"), "{written}");
    }
}
