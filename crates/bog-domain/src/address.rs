//! Which part of the world an IP address leads to, as far as it decides whether something may connect to it.
//!
//! The ranges are those of the IANA special-purpose address registries (RFC 6890 and its successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services of clouds that lie outside of the link-local ranges: they hand out credentials to whoever asks.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Into the internet.
    Public,
    /// Into a private network.
    Private,
    /// To this machine itself.
    Loopback,
    /// Where nothing that has a name lives: this machine's links, metadata services, groups, nothing at all.
    Special,
}

impl Reach {
    /// Where this address leads. IPv6 addresses that stand for IPv4 ones lead where those do.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V6(address) => translated(address).map_or(IpAddr::V6(address), IpAddr::V4),
            v4 @ IpAddr::V4(_) => v4,
        };
        if METADATA.contains(&address) {
            return Self::Special;
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            // 0.0.0.0/8 is "this network", which systems take for themselves.
            [0, ..] => Self::Special,
            _ if address.is_link_local() || address.is_multicast() || address.is_broadcast() => Self::Special,
            [127, ..] => Self::Loopback,
            // Carrier-grade NAT, protocol assignments and benchmarks besides the usual three.
            [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] => Self::Private,
            _ if address.is_private() => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if address.is_unspecified() || address.is_unicast_link_local() || address.is_multicast() {
            Self::Special
        } else if address.is_loopback() {
            Self::Loopback
        } else if address.is_unique_local() {
            Self::Private
        } else {
            Self::Public
        }
    }
}

/// The IPv4 address to which a translator (NAT64, RFC 6052) or a relay (6to4, RFC 3056) would take this one.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_leads_where_it_should() {
        let table = [
            (
                Reach::Public,
                "1.1.1.1 9.9.9.9 172.32.0.1 192.169.0.1 2606:4700::1 64:ff9b::1.1.1.1 ::ffff:1.1.1.1 2002:101:101::1",
            ),
            (
                Reach::Private,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 198.18.0.1 fd00::1 ::ffff:10.0.0.1",
            ),
            (Reach::Loopback, "127.0.0.1 127.255.0.1 ::1 ::ffff:127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1::1"),
            (
                Reach::Special,
                "0.0.0.0 0.1.2.3 169.254.169.254 169.254.1.1 100.100.100.200 168.63.129.16 224.0.0.1 255.255.255.255 :: \
                 fe80::1 fd00:ec2::254 ff02::1 ::ffff:169.254.169.254 64:ff9b::169.254.169.254 ::ffff:0.0.0.0",
            ),
        ];
        for (reach, addresses) in table {
            for address in addresses.split_whitespace() {
                assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
            }
        }
    }
}
