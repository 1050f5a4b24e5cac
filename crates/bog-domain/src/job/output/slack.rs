//! What must be right in a `slack` output.

use crate::error::SpecError;
use crate::spec::SlackSpec;

pub(super) fn check(field: &impl Fn(&str) -> String, slack: &SlackSpec) -> Result<(), SpecError> {
    let refuse = |name: &str, problem: &str| Err(SpecError::new(field(name), problem));
    match (&slack.channel, &slack.url_env) {
        (None, None) => refuse("channel", "missing: name a `channel`, or a `url_env`"),
        (Some(_), Some(_)) => {
            refuse("url_env", "an incoming webhook has its own channel: leave `channel` or `url_env` out")
        }
        (None, Some(_)) if slack.thread.is_some() => refuse(
            "thread",
            "an incoming webhook does not say where a thread begins: name a `channel` instead of a `url_env`",
        ),
        (None, Some(_)) => Ok(()),
        (Some(channel), None) => {
            let name = channel.strip_prefix('#').unwrap_or(channel);
            if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return refuse("channel", "not a channel: write `#name`, or its id such as `C0123456789`");
            }
            Ok(())
        }
    }
}
