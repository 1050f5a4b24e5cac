//! Where mail is handed in: `HOST`, `PORT`, `USER`, `TLS` and `FROM` behind a prefix, in the daemon's environment. The
//! password is the secret `PASSWORD` behind the same prefix.

use bog_domain::address::Reach;
use lettre::message::Mailbox;
use std::net::IpAddr;

/// How a connection is kept from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// TLS after a greeting, and no mail without it.
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// Not at all.
    None,
}

/// Where mail is handed in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub user: Option<String>,
    /// The name of the secret that goes with the user.
    pub password_variable: String,
    /// The sender where an output names none.
    pub from: Mailbox,
}

impl Settings {
    /// Reads the settings behind a prefix.
    pub fn of(prefix: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name: &str| variable(&format!("{prefix}{name}")).map(|value| value.trim().to_owned());
        let set = |name: &str| get(name).filter(|value| !value.is_empty());
        let host = set("HOST").ok_or_else(|| {
            format!("`{prefix}HOST` is not set: set it to the name of the mail server in the daemon's environment")
        })?;
        let port = set("PORT").map(|port| {
            let number = port.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("`{prefix}PORT`: `{port}` is not a port, such as `587`"))
        });
        let port = port.transpose()?;
        let near = is_this_machine(&host);
        let security = match set("TLS").as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("starttls") => Security::Starttls,
            Some("implicit") => Security::Implicit,
            Some("none") => Security::None,
            Some(other) => {
                return Err(format!("`{prefix}TLS`: `{other}` is none of `starttls`, `implicit` and `none`"));
            }
            None if port == Some(465) => Security::Implicit,
            None if near => Security::None,
            None => Security::Starttls,
        };
        let usual = match security {
            Security::Implicit => 465,
            Security::Starttls => 587,
            Security::None => 25,
        };
        let user = set("USER");
        if security == Security::None && user.is_some() && !near {
            return Err(format!(
                "`{prefix}USER` is set and `{prefix}TLS` is `none`: the password would go to `{host}` for everyone to read; \
                 set `{prefix}TLS` to `starttls` or `implicit`"
            ));
        }
        let from = sender(set("FROM"), user.as_deref(), &host).map_err(|error| format!("`{prefix}FROM`: {error}"))?;
        let password_variable = format!("{prefix}PASSWORD");
        Ok(Self { host, port: port.unwrap_or(usual), security, user, password_variable, from })
    }
}

/// What is set, else the user where that is an address, else a name of ours at the mail server's domain.
fn sender(set: Option<String>, user: Option<&str>, host: &str) -> Result<Mailbox, String> {
    if let Some(from) = set {
        return from.parse().map_err(|error| format!("`{from}`: {error}"));
    }
    let of_user = user.and_then(|user| user.parse().ok());
    let domain = if host.parse::<IpAddr>().is_ok() { "localhost" } else { host };
    let ours =
        || format!("bog-agents-daemon@{domain}").parse().map_err(|error| format!("not set, and `{host}`: {error}"));
    of_user.map_or_else(ours, Ok)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address| Reach::of(address) == Reach::Loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(set: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::of("MAIL_", |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn what_is_not_set_is_what_is_usual() {
        let shown = |set: &[(&str, &str)]| {
            let settings = read(set).unwrap();
            format!("{}:{} {:?} {}", settings.host, settings.port, settings.security, settings.from)
        };
        let host = ("MAIL_HOST", "mail.example.com");
        assert_eq!(shown(&[host]), "mail.example.com:587 Starttls bog-agents-daemon@mail.example.com");
        assert_eq!(
            shown(&[host, ("MAIL_PORT", "465")]),
            "mail.example.com:465 Implicit bog-agents-daemon@mail.example.com"
        );
        assert_eq!(
            shown(&[host, ("MAIL_TLS", "implicit"), ("MAIL_USER", "a@b.c")]),
            "mail.example.com:465 Implicit a@b.c"
        );
        assert_eq!(shown(&[host, ("MAIL_TLS", "NONE")]), "mail.example.com:25 None bog-agents-daemon@mail.example.com");
        assert_eq!(shown(&[("MAIL_HOST", "127.0.0.1")]), "127.0.0.1:25 None bog-agents-daemon@localhost");
        assert_eq!(shown(&[("MAIL_HOST", "localhost"), ("MAIL_FROM", "Bog <a@b.c>")]), "localhost:25 None Bog <a@b.c>");
        assert_eq!(read(&[host]).unwrap().password_variable, "MAIL_PASSWORD");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let host = ("MAIL_HOST", "mail.example.com");
        let errors = [
            read(&[]),
            read(&[host, ("MAIL_PORT", "mail")]),
            read(&[host, ("MAIL_TLS", "ssl")]),
            read(&[host, ("MAIL_TLS", "none"), ("MAIL_USER", "me")]),
            read(&[host, ("MAIL_FROM", "nobody")]),
        ];
        insta::assert_snapshot!(errors.map(Result::unwrap_err).join("\n"));
    }
}
