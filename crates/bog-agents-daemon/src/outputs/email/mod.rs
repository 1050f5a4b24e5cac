//! An e-mail by SMTP. The delivery's id is its Message-ID, so that mailboxes and people recognise a repetition, and all mails
//! of a job refer to one thread.

mod html;
mod letter;
mod settings;
mod smtp;

use super::{Context, Message, permanent};
use bog_domain::delivery::Attempted;
use bog_domain::spec::EmailSpec;
use bog_domain::template::Template;
use lettre::message::{Mailbox, Mailboxes};
use serde_json::Value;
use settings::Settings;

/// The prefix of the variables with the settings where an output names none.
const PREFIX: &str = "SMTP_";

/// Longest subject in characters.
const MAX_SUBJECT: usize = 200;

/// An e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    to: Vec<Mailbox>,
    from: Option<Mailbox>,
    /// One line.
    subject: Option<String>,
    prefix: String,
}

impl Email {
    /// The target that an output describes.
    ///
    /// # Errors
    /// When an address is none, or the subject cannot be rendered.
    pub fn render(spec: &EmailSpec, context: &Value) -> Result<Self, String> {
        let to: Mailboxes = spec.to.parse().map_err(|error| format!("`to`: `{}`: {error}", spec.to))?;
        let from = spec.from.as_deref().map(|from| from.parse().map_err(|error| format!("`from`: `{from}`: {error}")));
        let subject = spec.subject.as_deref().map(|subject| {
            let rendered = Template::parse(subject).and_then(|template| template.render(context));
            rendered.map(|subject| one_line(&subject)).map_err(|error| format!("`subject`: {error}"))
        });
        let prefix = spec.smtp_env_prefix.clone().unwrap_or_else(|| PREFIX.to_owned());
        Ok(Self { to: to.into(), from: from.transpose()?, subject: subject.transpose()?, prefix })
    }

    pub(super) async fn deliver(&self, message: &Message, context: &Context) -> Attempted {
        match self.send(message, context).await {
            Ok(receipt) => Attempted::Delivered { receipt: Some(receipt) },
            Err(attempted) => attempted,
        }
    }

    async fn send(&self, message: &Message, context: &Context) -> Result<String, Attempted> {
        let settings = Settings::of(&self.prefix, crate::env::var).map_err(permanent)?;
        let from = self.from.clone().unwrap_or_else(|| settings.from.clone());
        let subject = self.subject.clone().map(|subject| context.services.secrets.masked(subject));
        let letter = letter::of(&self.to, from, subject, message).map_err(permanent)?;
        let login = match &settings.user {
            Some(user) => Some((user.clone(), context.secret(&settings.password_variable).await?)),
            None => None,
        };
        smtp::send(&settings, login, &letter, context.services.http.settings()).await?;
        Ok(letter::id(message, &letter))
    }
}

/// A text as one line without control characters, cut where nobody would read on.
fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(MAX_SUBJECT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_read_and_subjects_are_one_line() {
        let spec = EmailSpec {
            to: "On call <oncall@example.com>, b@example.com".to_owned(),
            from: Some("Bog <bog@example.com>".to_owned()),
            subject: Some("{{ job.name }} is\r\nBcc: {{ run.outcome }}".to_owned()),
            ..EmailSpec::default()
        };
        let email = Email::render(&spec, &json!({"job": {"name": "a\nb"}, "run": {"outcome": "failed"}})).unwrap();
        assert_eq!(email.to.len(), 2);
        assert_eq!(email.subject.as_deref(), Some("a b is Bcc: failed"));
        let wrong = EmailSpec { to: "a@b@c".to_owned(), ..EmailSpec::default() };
        assert!(Email::render(&wrong, &Value::Null).unwrap_err().starts_with("`to`: `a@b@c`: "));
    }
}
