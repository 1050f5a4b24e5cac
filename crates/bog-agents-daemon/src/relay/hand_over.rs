//! The hand-over of listening sockets: from the launch stage inside the agent's network namespace to the relay outside,
//! as descriptors on a Unix socket (`unix(7)`, SCM_RIGHTS). One byte goes with each: the kernel never glues them together.

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, bind, listen, recvmsg, sendmsg, socket_with, sockopt,
};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// How many connections may wait for the relay at one port.
const BACKLOG: i32 = 256;
/// How long the relay may take to come up and take what it is given.
const PATIENCE: Duration = Duration::from_secs(10);
/// The byte with a listening socket.
const DOOR: u8 = b'+';
/// The byte that says that all have come.
const DONE: u8 = b'.';

/// Which sockets the relay waits for: all that the launch stage has to know of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doors {
    /// Ports of services, the same inside as outside.
    pub ports: Vec<u16>,
    /// Whether there is an HTTP proxy, at a port that is free.
    pub proxy: bool,
}

/// What the launch stage is told of the relay, for its argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    /// The inherited descriptor of the control socket.
    pub control_fd: RawFd,
    /// What to open.
    pub doors: Doors,
}

impl Passage {
    /// Takes over the inherited descriptor, so that nothing else inherits it; comes back with what [`hand_over`] wants.
    ///
    /// # Errors
    /// Where there is none.
    pub fn take(self) -> io::Result<(OwnedFd, Doors)> {
        // A socket cannot be opened by way of /proc.
        let control =
            pidfd_getfd(pidfd_open(getpid(), PidfdFlags::empty())?, self.control_fd, PidfdGetfdFlags::empty())?;
        nix::unistd::close(self.control_fd)?;
        Ok((control, self.doors))
    }
}

/// Opens the doors in the network namespace of the calling thread, whose loopback interface must be up, and passes them
/// to the relay at the other end of `control`. Returns what to set in the agent's environment, so that its programs find
/// the proxy.
///
/// What connects meanwhile waits in the kernel: nobody has to wait for the relay to be ready. To be called while ports
/// below 1024 may still be bound.
///
/// # Errors
/// Where a socket cannot be made, or the relay is gone or does not take it within ten seconds.
pub fn hand_over(control: impl AsFd, doors: &Doors) -> io::Result<Vec<(&'static str, String)>> {
    let control = control.as_fd();
    sockopt::set_socket_timeout(control, sockopt::Timeout::Send, Some(PATIENCE))?;
    for port in &doors.ports {
        send(control, DOOR, Some(&open_everywhere(*port)?))?;
    }
    let mut environment = Vec::new();
    if doors.proxy {
        // Last, so that the free port it is given is none of those above: the relay tells them apart by that.
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        environment = proxy_variables(door.local_addr()?);
        send(control, DOOR, Some(&door.into()))?;
    }
    send(control, DONE, None)?;
    Ok(environment)
}

/// What programs read to find an HTTP proxy. Loopback needs none: what was granted there has a door of its own, and the
/// rest is the agent's.
fn proxy_variables(proxy: SocketAddr) -> Vec<(&'static str, String)> {
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let mut variables: Vec<_> = names.into_iter().map(|name| (name, format!("http://{proxy}"))).collect();
    variables.extend(["NO_PROXY", "no_proxy"].map(|name| (name, "localhost,127.0.0.1,::1".to_owned())));
    // Node.js reads the others only where this says so.
    variables.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
    variables
}

/// Listens at every address of the namespace, which has none but loopback ones: `127.0.0.1` and `::1` with one socket.
fn open_everywhere(port: u16) -> io::Result<OwnedFd> {
    let open = |family, address: SocketAddr| {
        let door = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&door, true)?;
        if family == AddressFamily::INET6 {
            sockopt::set_ipv6_v6only(&door, false)?;
        }
        bind(&door, &address)?;
        listen(&door, BACKLOG)?;
        Ok(door)
    };
    let opened = match open(AddressFamily::INET6, (Ipv6Addr::UNSPECIFIED, port).into()) {
        // A kernel without IPv6.
        Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => {
            open(AddressFamily::INET, (Ipv4Addr::UNSPECIFIED, port).into())
        }
        opened => opened,
    };
    opened.map_err(|error: Errno| {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("cannot listen at port {port} inside: {error}"))
    })
}

fn send(control: impl AsFd, kind: u8, door: Option<&OwnedFd>) -> io::Result<()> {
    let give_up = Instant::now() + PATIENCE;
    let fds: Vec<_> = door.into_iter().map(AsFd::as_fd).collect();
    loop {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
            return Err(io::Error::other("a message has no room for a descriptor"));
        }
        match sendmsg(control.as_fd(), &[IoSlice::new(&[kind])], &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            // The system limits the descriptors under way of all that this user runs.
            Err(Errno::TOOMANYREFS) if Instant::now() < give_up => std::thread::sleep(Duration::from_millis(1)),
            Err(Errno::AGAIN) => return Err(io::Error::other("the relay does not take its sockets")),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes the listening sockets; `None` where the other end was closed before all had come.
///
/// # Errors
/// Where a message is none of ours.
pub fn take(control: impl AsFd) -> io::Result<Option<Vec<TcpListener>>> {
    let mut doors = Vec::new();
    loop {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut kind = [0];
        let buffers = &mut [IoSliceMut::new(&mut kind)];
        let received = match recvmsg(control.as_fd(), buffers, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(received) => received,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if received.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::Error::other("too many open files for the sockets that come"));
        }
        let mut door = None;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(mut fds) = message {
                door = fds.next();
            }
        }
        match (received.bytes, kind[0], door) {
            (0, _, _) => return Ok(None),
            (_, DONE, None) => return Ok(Some(doors)),
            (_, DOOR, Some(door)) => doors.push(TcpListener::from(door)),
            (_, _, _) => return Err(io::Error::other("not a message of the launch stage")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::os::fd::IntoRawFd;
    use std::os::unix::net::UnixStream;

    fn pair() -> (UnixStream, UnixStream) {
        UnixStream::pair().expect("a pair of sockets")
    }

    fn free_port() -> u16 {
        TcpListener::bind("[::]:0").and_then(|listener| listener.local_addr()).expect("a port").port()
    }

    #[test]
    fn a_door_leads_from_both_families_and_what_waits_at_it_is_served() {
        let (launch, relay) = pair();
        let port = free_port();
        let environment = hand_over(&launch, &Doors { ports: vec![port], proxy: true }).expect("handed over");
        let mut waiting: Vec<_> = [(Ipv4Addr::LOCALHOST.into(), port), (Ipv6Addr::LOCALHOST.into(), port)]
            .map(|to: (std::net::IpAddr, u16)| TcpStream::connect(to).expect("connects"))
            .into();
        let doors = take(&relay).expect("taken").expect("all of them");
        assert_eq!(doors.len(), 2);
        assert_eq!(doors[0].local_addr().expect("an address").port(), port);
        let proxy = doors[1].local_addr().expect("an address");
        let named: Vec<_> = environment.iter().filter(|(_, value)| *value == format!("http://{proxy}")).collect();
        assert_eq!(named.len(), 6, "{environment:?}");
        for client in &mut waiting {
            doors[0].accept().expect("accepts").0.write_all(b"x").expect("writes");
            let mut said = String::new();
            client.read_to_string(&mut said).expect("reads");
            assert_eq!(said, "x");
        }
    }

    #[test]
    fn an_inherited_socket_is_taken_over_and_not_inherited_again() {
        let (launch, relay) = pair();
        let inherited = rustix::io::dup(&launch).expect("a descriptor");
        let passage = Passage { control_fd: inherited.into_raw_fd(), doors: Doors::default() };
        drop(launch);
        let (control, doors) = passage.take().expect("the socket");
        assert!(rustix::io::fcntl_getfd(&control).expect("flags").contains(rustix::io::FdFlags::CLOEXEC));
        hand_over(&control, &doors).expect("handed over");
        assert!(take(&relay).expect("taken").is_some());
    }

    #[test]
    fn a_launch_stage_that_dies_half_way_hands_over_nothing() {
        let (launch, relay) = pair();
        send(&launch, DOOR, Some(&open_everywhere(free_port()).expect("a door"))).expect("sends");
        drop(launch);
        assert!(take(&relay).expect("an orderly end").is_none());
    }

    #[test]
    fn a_relay_that_is_gone_is_an_error() {
        let (launch, relay) = pair();
        drop(relay);
        assert!(hand_over(&launch, &Doors::default()).is_err());
    }

    #[test]
    fn what_is_no_message_of_ours_is_an_error() {
        for (kind, fd) in [(DOOR, None), (b'x', None), (DONE, Some(pair().0.into()))] {
            let (launch, relay) = pair();
            send(&launch, kind, fd.as_ref()).expect("sends");
            assert!(take(&relay).is_err(), "{}", char::from(kind));
        }
    }
}
