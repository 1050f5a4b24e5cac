//! The network: what is not granted cannot be reached, by whatever kind of socket.

use super::world::{World, as_each_user, assert_reached, assert_refused};
use bog_agents_daemon::sandbox::policy::Policy;
use bog_domain::containment::NetworkAccess;
use serde_json::{Value, json};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Services of the host that answer everybody.
struct Services {
    targets: Value,
    _listeners: (TcpListener, Option<TcpListener>, UnixListener, UnixListener),
}

impl Services {
    fn new(world: &World) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        // Not every machine has it.
        let tcp6 = TcpListener::bind("[::1]:0").ok();
        let path = world.path("outside/socket");
        let unix = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let name = world.path("socket").display().to_string();
        let abstract_ = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut targets = json!({"tcp": tcp.local_addr().unwrap().port(), "unix": path, "abstract": name});
        if let Some(tcp6) = &tcp6 {
            targets["tcp6"] = tcp6.local_addr().unwrap().port().into();
        }
        Self { targets, _listeners: (tcp, tcp6, unix, abstract_) }
    }

    /// The attacks, with a service by datagrams that answers once.
    fn attacked(&self, attack: impl FnOnce(&Value) -> super::world::Results) -> super::world::Results {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        let mut targets = self.targets.clone();
        targets["udp"] = address.port().into();
        let server = std::thread::spawn(move || {
            let (length, from) = udp.recv_from(&mut [0; 1]).unwrap();
            if length > 0 {
                udp.send_to(b"y", from).unwrap();
            }
        });
        let results = attack(&targets);
        // An empty datagram ends it where no attack came through.
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"", address).unwrap();
        server.join().unwrap();
        results
    }
}

#[test]
fn without_a_grant_nothing_is_reached() {
    as_each_user(|world| {
        let services = Services::new(world);
        for network in [NetworkAccess::None, NetworkAccess::Provider, NetworkAccess::Loopback] {
            let policy = Policy { network, ..world.policy.clone() };
            assert_refused(&services.attacked(|targets| world.attack(&policy, "reach", targets)));
        }
        assert_reached(&services.attacked(|targets| world.attack_on_host("reach", targets)), &[]);
    });
}

#[test]
fn the_full_network_is_no_way_to_other_programs_sockets() {
    as_each_user(|world| {
        let policy = Policy { network: NetworkAccess::Full, ..world.policy.clone() };
        let mut results = Services::new(world).attacked(|targets| world.attack(&policy, "reach", targets));
        // By name only where Landlock has it; this is version 6.
        let has_scopes = world.containment(&policy).landlock_abi >= 6;
        let named = results.remove("abstract").unwrap();
        assert_eq!(named == "reached", !has_scopes, "{named}");
        assert_ne!(results.remove("unix").unwrap(), "reached");
        assert_reached(&results, &[]);
        assert!(results.contains_key("tcp") && results.contains_key("udp"));
    });
}

#[test]
fn there_is_no_way_out_of_an_own_network() {
    as_each_user(|world| {
        let said =
            world.shell(&world.policy, "cat /proc/net/dev | tail -n +3 | cut -d: -f1; cat /proc/net/route | wc -l");
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["lo", "1"]);
    });
}
