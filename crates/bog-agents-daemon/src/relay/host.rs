//! Hosts that a run may reach: how they are written and compared, and which addresses a name may stand for.
//!
//! A client is judged by what it names, never by where that leads: names and addresses are compared as they are listed.
//! Where a listed name leads is looked up here, and addresses that no name on the network should lead to are left out.

use bog_domain::address::Reach;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host and a port on it, written `HOST:PORT` with an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Host {
    name: Name,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Address(IpAddr),
    /// `localhost`, which is no business of any name server.
    Localhost,
    /// In lower case, without a dot at its end.
    Named(String),
}

/// Why a text names no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no host; write `HOST:PORT`, as in `api.example.com:443` or `[::1]:11434`")]
pub struct HostError(String);

/// Where to find a host.
#[derive(Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// At one of these addresses.
    At(Vec<IpAddr>),
    /// Where the name service says.
    Named(&'a str),
}

impl Host {
    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where to find it.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        match &self.name {
            Name::Address(address) => Place::At(vec![*address]),
            Name::Localhost => Place::At(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
            Name::Named(name) => Place::Named(name),
        }
    }

    /// Its addresses where it is this machine itself, as its services are listed by name or address.
    #[must_use]
    pub fn on_this_machine(&self) -> Option<Vec<IpAddr>> {
        match self.place() {
            Place::At(addresses) if addresses.iter().all(|address| is_this_machine(*address)) => Some(addresses),
            Place::At(_) | Place::Named(_) => None,
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let error = || HostError(text.to_owned());
        let (name, port) = text.rsplit_once(':').ok_or_else(error)?;
        // `u16` would also take `+443`.
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(error)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(error)?;
        let name = match name.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(address) => {
                let address: Ipv6Addr = address.and_then(|address| address.parse().ok()).ok_or_else(error)?;
                Name::Address(address.to_canonical())
            }
            None => Name::parse(name).ok_or_else(error)?,
        };
        Ok(Self { name, port })
    }
}

impl Name {
    fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_plain);
        if name.len() > 253 || !name.split('.').all(is_label) {
            return None;
        }
        if let Ok(address) = name.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        Some(if name == "localhost" || name.ends_with(".localhost") { Self::Localhost } else { Self::Named(name) })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.name {
            Name::Address(IpAddr::V6(address)) => write!(f, "[{address}]:{port}"),
            Name::Address(IpAddr::V4(address)) => write!(f, "{address}:{port}"),
            Name::Localhost => write!(f, "localhost:{port}"),
            Name::Named(name) => write!(f, "{name}:{port}"),
        }
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

/// Whether a connection to this address stays on this machine's loopback interface. The unspecified addresses do.
#[must_use]
pub fn is_this_machine(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback() || address.is_unspecified()
}

/// Whether a name on the network may stand for this address. This machine itself, its links, and metadata services may
/// be reached only where they are listed as what they are.
#[must_use]
pub fn may_be_named(address: IpAddr) -> bool {
    match Reach::of(address) {
        Reach::Public | Reach::Private => true,
        Reach::Loopback | Reach::Special => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn host(text: &str) -> Host {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_is_the_same_host_and_what_is_not() {
        for (one, other) in [
            ("API.Example.com:443", "api.example.com:443"),
            ("api.example.com.:443", "api.example.com:443"),
            ("LOCALHOST:1", "localhost:1"),
            ("[0:0::1]:1", "[::1]:1"),
            ("[::ffff:127.0.0.1]:1", "127.0.0.1:1"),
        ] {
            assert_eq!(host(one), host(other), "{one} {other}");
        }
        for (one, other) in [
            ("api.example.com:443", "api.example.com:80"),
            ("api.example.com:443", "example.com:443"),
            ("127.0.0.1:80", "localhost:80"),
            ("127.0.0.1:80", "127.1:80"),
            ("127.0.0.1:80", "2130706433:80"),
            ("127.0.0.1:80", "0x7f.0.0.1:80"),
            ("127.0.0.1:80", "0177.0.0.1:80"),
            ("127.0.0.1:80", "[::1]:80"),
        ] {
            assert_ne!(host(one), host(other), "{one} {other}");
        }
    }

    #[test]
    fn what_names_no_host() {
        for text in [
            "",
            "a",
            ":1",
            ".:1",
            "..:1",
            "a..b:1",
            "a:0",
            "a:65536",
            "a:+1",
            "a: 1",
            "a:",
            "::1",
            "::1:80",
            "[::1",
            "[::1]80",
            "[]:1",
            "[127.0.0.1]:1",
            "[fe80::1%eth0]:1",
            "user@a:1",
            "a b:1",
            "a/b:1",
            "ä:1",
            "a\0:1",
            "a%2e:1",
        ] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
        let message = "a".parse::<Host>().expect_err("no port").to_string();
        assert_eq!(message, "`a` names no host; write `HOST:PORT`, as in `api.example.com:443` or `[::1]:11434`");
    }

    #[test]
    fn this_machine_is_only_what_is_listed_as_such() {
        for text in ["localhost:1", "a.localhost:1", "127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "0.0.0.0:1", "[::]:1"] {
            assert!(host(text).on_this_machine().is_some(), "{text}");
        }
        for text in ["example.com:1", "localhost.example:1", "10.0.0.1:1", "169.254.169.254:1", "2130706433:1"] {
            assert!(host(text).on_this_machine().is_none(), "{text}");
        }
    }

    #[test]
    fn no_name_stands_for_this_machine_its_links_or_a_metadata_service() {
        for address in [
            "127.0.0.1",
            "127.255.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.1.1",
            "100.100.100.200",
            "168.63.129.16",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::127.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "ff02::1",
        ] {
            assert!(!may_be_named(address.parse().expect("an address")), "{address}");
        }
        for address in
            ["1.1.1.1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "2606:4700::1", "fd00::1", "64:ff9b::1.1.1.1"]
        {
            assert!(may_be_named(address.parse().expect("an address")), "{address}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[a-zA-Z0-9.\\[\\]:_-]{1,40}:[0-9]{1,5}") {
            if let Ok(host) = text.parse::<Host>() {
                prop_assert_eq!(host.to_string().parse::<Host>(), Ok(host));
            }
        }
    }
}
