//! The services of this machine: what listens on its loopback addresses, as `/proc/net/tcp` and `tcp6` show it
//! (format: `proc_net_tcp.txt` of the kernel's documentation). Of whatever network namespace the caller is in.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The state of a listening socket.
const LISTEN: &str = "0A";

/// A port of this machine, and where its service is found: the addresses to try, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The port.
    pub port: u16,
    /// Loopback addresses.
    pub at: Vec<IpAddr>,
}

/// Every port on which something listens that can be reached through a loopback address; the lowest ports first.
///
/// # Errors
/// Where `/proc` cannot be read.
pub fn listening() -> io::Result<Vec<Service>> {
    let mut found = BTreeMap::new();
    for (path, parse) in [("/proc/net/tcp", v4 as fn(&str) -> Option<IpAddr>), ("/proc/net/tcp6", v6)] {
        match File::open(path) {
            Ok(table) => collect(BufReader::new(table), parse, &mut found)?,
            // A kernel without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(services(found))
}

fn services(found: BTreeMap<u16, Vec<IpAddr>>) -> Vec<Service> {
    found.into_iter().map(|(port, at)| Service { port, at }).collect()
}

fn collect(
    table: impl BufRead,
    parse: fn(&str) -> Option<IpAddr>,
    found: &mut BTreeMap<u16, Vec<IpAddr>>,
) -> io::Result<()> {
    for line in table.lines() {
        let line = line?;
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (Some(local), Some(_), Some(LISTEN)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let Some((address, port)) = local.split_once(':') else { continue };
        let (Some(address), Ok(port)) = (parse(address), u16::from_str_radix(port, 16)) else { continue };
        let known = found.entry(port).or_default();
        for address in reached_through(address) {
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    found.retain(|_, at| !at.is_empty());
    Ok(())
}

/// The loopback addresses that lead to a socket bound to this address. One bound to every IPv6 address usually takes
/// IPv4 too.
fn reached_through(address: IpAddr) -> Vec<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => vec![address],
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
        IpAddr::V4(_) | IpAddr::V6(_) => Vec::new(),
    }
}

/// Addresses are printed as numbers of the machine's own byte order.
fn v4(hex: &str) -> Option<IpAddr> {
    let bytes = u32::from_str_radix(hex, 16).ok().filter(|_| hex.len() == 8)?.to_ne_bytes();
    Some(IpAddr::from(bytes))
}

/// As [`v4`], four times.
fn v6(hex: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    for (at, piece) in bytes.chunks_exact_mut(4).enumerate() {
        let word = u32::from_str_radix(hex.get(at * 8..at * 8 + 8)?, 16).ok()?;
        piece.copy_from_slice(&word.to_ne_bytes());
    }
    (hex.len() == 32).then(|| IpAddr::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// As a little-endian machine prints them.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 3500007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
   3: 0A01A8C0:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4 1 0 100 0 0 10 0
   4: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0 20 4 30 10 -1
   5: nonsense
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr
   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   2: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   3: B80D01200000000000000000010000FE:0052 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
";

    #[test]
    #[cfg(target_endian = "little")]
    fn only_what_loopback_leads_to_is_listed() {
        let mut found = BTreeMap::new();
        collect(TCP.as_bytes(), v4, &mut found).expect("reads");
        collect(TCP6.as_bytes(), v6, &mut found).expect("reads");
        let found: Vec<String> =
            services(found).into_iter().map(|service| format!("{} {:?}", service.port, service.at)).collect();
        assert_eq!(
            found,
            ["22 [127.0.0.1]", "53 [127.0.0.53]", "80 [::1, 127.0.0.1]", "81 [127.0.0.1]", "8080 [127.0.0.1, ::1]"]
        );
    }

    #[test]
    fn what_listens_on_loopback_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let found = listening().expect("reads").into_iter().find(|service| service.port == port);
        assert_eq!(found, Some(Service { port, at: vec![Ipv4Addr::LOCALHOST.into()] }));
    }
}
