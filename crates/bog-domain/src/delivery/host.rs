//! Who takes a delivery in: deliveries to the same host share its time and its limits, and wait for no other's.

use crate::spec::OutputSpec;
use std::fmt;
use std::str::FromStr;

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// The daemon's own log.
    Log,
    /// The daemon's standard output.
    Stdout,
    /// One file, as its path is written.
    File(String),
    /// A server: a name with a port where one is given, or the variables that name it.
    Server(String),
}

impl Host {
    /// Who takes in what goes to this target.
    #[must_use]
    pub fn of(target: &OutputSpec) -> Self {
        match target {
            OutputSpec::Log(_) => Self::Log,
            OutputSpec::Stdout(_) => Self::Stdout,
            OutputSpec::File(file) => Self::File(file.path.clone()),
            OutputSpec::Slack(slack) => Self::Server(slack.url_env.clone().unwrap_or_else(|| "slack.com".to_owned())),
            OutputSpec::Webhook(hook) => {
                let named = hook.url_env.clone();
                Self::Server(named.unwrap_or_else(|| authority(&hook.url).to_ascii_lowercase()))
            }
            OutputSpec::Email(email) => {
                Self::Server(email.smtp_env_prefix.clone().unwrap_or_else(|| "SMTP_".to_owned()))
            }
            OutputSpec::GithubComment(comment) => {
                let api = comment.api_url.as_deref().unwrap_or("https://api.github.com");
                Self::Server(authority(api).to_ascii_lowercase())
            }
        }
    }
}

/// Host and port of a URL, without the name and password of a user.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log => f.write_str("log"),
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Server(name) => write!(f, "server:{name}"),
        }
    }
}

/// A text that names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no host of deliveries: `log`, `stdout`, `file:PATH` or `server:NAME`")]
pub struct NoHost(String);

impl FromStr for Host {
    type Err = NoHost;

    fn from_str(text: &str) -> Result<Self, NoHost> {
        match text.split_once(':') {
            None if text == "log" => Ok(Self::Log),
            None if text == "stdout" => Ok(Self::Stdout),
            Some(("file", path)) => Ok(Self::File(path.to_owned())),
            Some(("server", name)) => Ok(Self::Server(name.to_owned())),
            None | Some(_) => Err(NoHost(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_host_that_can_be_written_down() {
        let table = [
            (r#"{"type":"log"}"#, "log"),
            (r#"{"type":"stdout"}"#, "stdout"),
            (r#"{"type":"file","path":"~/a:b.md"}"#, "file:~/a:b.md"),
            (r##"{"type":"slack","channel":"#x"}"##, "server:slack.com"),
            (r#"{"type":"slack","url_env":"HOOK"}"#, "server:HOOK"),
            (r#"{"type":"webhook","url":"https://u:p@Hooks.Example:8443/x?y#z"}"#, "server:hooks.example:8443"),
            (r#"{"type":"webhook","url":"http://[::1]:80?x@y"}"#, "server:[::1]:80"),
            (r#"{"type":"webhook","url_env":"HOOK"}"#, "server:HOOK"),
            (r#"{"type":"email","to":"a@b"}"#, "server:SMTP_"),
            (r#"{"type":"github_comment","repo":"a/b","issue":1}"#, "server:api.github.com"),
            (r#"{"type":"github_comment","repo":"a/b","issue":1,"api_url":"https://G.x/api"}"#, "server:g.x"),
        ];
        for (spec, expected) in table {
            let host = Host::of(&serde_json::from_str(spec).unwrap());
            assert_eq!(host.to_string(), expected);
            assert_eq!(expected.parse(), Ok(host));
        }
        assert!("elsewhere".parse::<Host>().is_err());
    }
}
