//! Where requests may go. Jobs are written by people who may know less of this machine's network than the daemon sees of
//! it, and what they name may be answered by somebody else's name server.
//!
//! What a URL names literally is what its writer meant; what a name leads to is judged after it was looked up, and those
//! very addresses are connected to. Addresses that hand out credentials or mean nothing are never connected to.

use bog_domain::address::Reach;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};

/// Why an address is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is never connected to.
    #[error(
        "`{0}` is an address that nothing is ever sent to: link-local, of a metadata service, a group, or none at all"
    )]
    Special(IpAddr),
    /// Only who names it literally means it.
    #[error(
        "`{name}` leads to `{address}`, which is in a private network or this machine: set `allow_private = true` under \
         `[outputs]` in `config.toml`, or write the address itself"
    )]
    Private {
        /// What was looked up.
        name: String,
        /// What was found.
        address: IpAddr,
    },
}

/// Whether a URL literally names this machine.
pub(super) fn is_this_machine(url: &Url) -> bool {
    let host = host(url);
    is_localhost(host) || host.parse().is_ok_and(|address| Reach::of(address) == Reach::Loopback)
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// `localhost` is no name that anybody's name server answers (RFC 6761): it is as literal as an address.
fn is_localhost(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

/// Judges an address that stands in a URL as it is.
pub(super) fn judge(url: &Url) -> Result<(), Refused> {
    match host(url).parse() {
        Ok(address) if Reach::of(address) == Reach::Special => Err(Refused::Special(address)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The refusal that made a request fail, if one did.
pub(super) fn refusal(error: &reqwest::Error) -> Option<&Refused> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

/// Looks names up and leaves out what they may not lead to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard {
    /// Whether names may lead to this machine and into private networks.
    pub allow_private: bool,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let usable = guard.usable(name.as_str(), &found)?;
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

impl Guard {
    /// Those of the found addresses that may be connected to; where it is none, why.
    fn usable(self, name: &str, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Refused> {
        let judged = found.iter().map(|address| self.judge(name, address.ip()).map(|()| *address));
        let (usable, refused): (Vec<_>, Vec<_>) = judged.partition(Result::is_ok);
        match refused.into_iter().find_map(Result::err) {
            Some(refused) if usable.is_empty() => Err(refused),
            Some(_) | None => Ok(usable.into_iter().flatten().collect()),
        }
    }

    fn judge(self, name: &str, address: IpAddr) -> Result<(), Refused> {
        match Reach::of(address) {
            Reach::Public => Ok(()),
            Reach::Loopback if is_localhost(name) => Ok(()),
            Reach::Loopback | Reach::Private if self.allow_private => Ok(()),
            Reach::Loopback | Reach::Private => Err(Refused::Private { name: name.to_owned(), address }),
            Reach::Special => Err(Refused::Special(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable(allow_private: bool, name: &str, addresses: &str) -> Result<usize, Refused> {
        let found: Vec<SocketAddr> = addresses.split(' ').map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        Guard { allow_private }.usable(name, &found).map(|usable| usable.len())
    }

    #[test]
    fn names_lead_into_the_internet_only_unless_it_is_allowed() {
        assert_eq!(usable(false, "example.com", "1.1.1.1 10.0.0.1 2606:4700::1"), Ok(2));
        for private in ["10.0.0.1", "127.0.0.1", "::1", "::ffff:192.168.1.1", "fd00::1"] {
            assert!(matches!(usable(false, "example.com", private), Err(Refused::Private { .. })), "{private}");
            assert_eq!(usable(true, "example.com", private), Ok(1), "{private}");
        }
        for special in
            ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "fe80::1", "fd00:ec2::254"]
        {
            assert!(matches!(usable(true, "example.com", special), Err(Refused::Special(_))), "{special}");
        }
        assert_eq!(usable(false, "localhost", "127.0.0.1 ::1"), Ok(2));
        assert_eq!(usable(false, "a.localhost", "127.0.0.1"), Ok(1));
        assert!(usable(false, "localhost", "10.0.0.1").is_err());
        assert!(usable(false, "localhost.example.com", "127.0.0.1").is_err());
    }

    #[test]
    fn what_a_url_names_literally_is_meant_but_for_what_nobody_can_mean() {
        for fine in
            ["http://127.0.0.1:80/", "http://[::1]/", "http://10.0.0.1/", "https://example.com/", "http://2130706433/"]
        {
            assert_eq!(judge(&fine.parse().unwrap()), Ok(()), "{fine}");
        }
        for refused in [
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://2852039166/",
            "http://0xa9.0xfe.0xa9.0xfe/",
            "http://0/",
            "http://[::]/",
            "http://[fe80::1]/",
            "http://255.255.255.255/",
        ] {
            assert!(judge(&refused.parse().unwrap()).is_err(), "{refused}");
        }
    }
}
