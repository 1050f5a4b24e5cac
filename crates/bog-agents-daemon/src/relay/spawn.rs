//! The runner's side: starting a relay before the namespaces are made, and ending it when the agent's tree is gone.

use super::hand_over::{Doors, Passage};
use super::host::{Host, HostError};
use super::services::{Service, listening};
use super::{RELAY, Spec};
use crate::env;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The most ports of loopback services that are forwarded.
const SERVICES_MAX: usize = 512;
/// How long a relay may take to pass on what the agent has sent last.
const END_PATIENCE: Duration = Duration::from_secs(2);
/// Whether, and through what, this machine reaches the network. Their values may hold passwords: they go from environment
/// to environment.
const PROXIES: [&str; 8] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];
/// The marks by which the processes of a run are known.
const MARKS: [&str; 2] = ["BOG_RUN_ID", "BOG_INSTANCE"];

/// How far an agent reaches through a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// To these hosts by HTTP proxy, and directly to those among them that are this machine.
    Hosts(Vec<Host>),
    /// To whatever listens on this machine's loopback addresses when the relay is started.
    Loopback,
}

/// A relay of this process. Dropping it ends it, and takes up to two seconds for it.
#[derive(Debug)]
pub struct Relay {
    pid: Pid,
    /// Names the process also when somebody else reaped it and its pid is another's.
    pidfd: OwnedFd,
    control: UnixStream,
    doors: Doors,
}

/// Why there is no relay.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// What listens on this machine cannot be found out.
    #[error("cannot read which services listen on this machine: {0}; `/proc` must be mounted")]
    Services(io::Error),
    /// No process could be made.
    #[error("cannot start the process that relays the agent's connections: {0}; check the system's limits")]
    Start(io::Error),
}

impl Reach {
    /// The hosts of a list of `HOST:PORT`.
    ///
    /// # Errors
    /// Where one of them names no host.
    pub fn hosts(hosts: &[String]) -> Result<Self, HostError> {
        hosts.iter().map(|host| host.parse()).collect::<Result<_, _>>().map(Self::Hosts)
    }

    /// What the relay is to do. `closed` are ports of this machine that no agent reaches.
    fn spec(&self, closed: &[u16]) -> io::Result<Spec> {
        let runner = Pid::this().as_raw();
        let is_open = |port: u16| !closed.contains(&port);
        Ok(match self {
            Self::Hosts(hosts) => {
                let is_open = |host: &&Host| host.on_this_machine().is_none() || is_open(host.port());
                let hosts: Vec<Host> = hosts.iter().filter(is_open).cloned().collect();
                Spec { runner, services: on_this_machine(&hosts), hosts: Some(hosts) }
            }
            Self::Loopback => {
                let services = listening()?.into_iter().filter(|service| is_open(service.port));
                Spec { runner, services: services.take(SERVICES_MAX).collect(), hosts: None }
            }
        })
    }
}

/// The hosts that are this machine, by port.
fn on_this_machine(hosts: &[Host]) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    for host in hosts {
        let Some(at) = host.on_this_machine() else { continue };
        match services.iter_mut().find(|service| service.port == host.port()) {
            Some(known) => {
                let new: Vec<_> = at.into_iter().filter(|address| !known.at.contains(address)).collect();
                known.at.extend(new);
            }
            None => services.push(Service { port: host.port(), at }),
        }
    }
    services
}

/// Starts a relay. To be called before the namespaces of this process are left: the relay stays in those it is started in.
/// `closed` are ports of this machine that it never leads to: the daemon's own.
///
/// It ends with the calling thread, with the control socket, or with the value.
///
/// # Errors
/// Where the services of this machine cannot be listed or no process can be made.
pub fn spawn(reach: &Reach, closed: &[u16]) -> Result<Relay, RelayError> {
    // Not the binary's path: an upgrade under way may have replaced it.
    spawn_from(Path::new("/proc/self/exe"), reach, closed)
}

/// As [`spawn`], with another binary than this process's own.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_from(exe: &Path, reach: &Reach, closed: &[u16]) -> Result<Relay, RelayError> {
    let spec = reach.spec(closed).map_err(RelayError::Services)?;
    start(exe, spec).map_err(RelayError::Start)
}

fn start(exe: &Path, spec: Spec) -> io::Result<Relay> {
    let (control, theirs) = UnixStream::pair()?;
    let inherited = PROXIES.iter().chain(&MARKS).filter_map(|name| Some((name, env::var_os(name)?)));
    let child = Command::new(exe)
        .arg0("bog-agents-daemon")
        .arg(RELAY)
        .arg(serde_json::to_string(&spec)?)
        .env_clear()
        .envs(inherited)
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let doors =
        Doors { ports: spec.services.into_iter().map(|service| service.port).collect(), proxy: spec.hosts.is_some() };
    let pidfd = pidfd_open(rustix::process::Pid::from_child(&child), PidfdFlags::empty())?;
    Ok(Relay { pid: Pid::from_raw(child.id().cast_signed()), pidfd, control, doors })
}

impl Relay {
    /// Its pid, by which it is told from the agent's processes.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What is to be opened inside.
    #[must_use]
    pub fn doors(&self) -> &Doors {
        &self.doors
    }

    /// The end of the control socket that [`hand_over()`](super::hand_over()) is to be given in the launch stage.
    #[must_use]
    pub fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// The same as something that whatever is started next inherits, and what to tell the launch stage of it.
    ///
    /// # Errors
    /// Where no descriptor is left.
    pub fn passage(&self) -> io::Result<(OwnedFd, Passage)> {
        // Unlike the standard library's, this copy does not close on exec.
        let inherited = rustix::io::dup(&self.control)?;
        let passage = Passage { control_fd: inherited.as_raw_fd(), doors: self.doors.clone() };
        Ok((inherited, passage))
    }
}

/// Ends it. It is given a moment to pass on what the agent sent last, whose tree must be gone.
impl Drop for Relay {
    fn drop(&mut self) {
        // For every copy of the socket.
        let _ = self.control.shutdown(Shutdown::Both);
        let timeout = PollTimeout::try_from(END_PATIENCE).unwrap_or(PollTimeout::MAX);
        // Interrupted or not: what follows is right either way. Errors mean that it is gone, or was reaped already.
        let _ = poll(&mut [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)], timeout);
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(hosts: &[&str], closed: &[u16]) -> (Vec<String>, Vec<String>) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let spec = Reach::hosts(&hosts).expect("hosts").spec(closed).expect("a spec");
        let services = spec.services.iter().map(|service| format!("{} {:?}", service.port, service.at)).collect();
        (services, spec.hosts.expect("a proxy").iter().map(ToString::to_string).collect())
    }

    #[test]
    fn hosts_on_this_machine_are_services_too_unless_their_port_is_closed() {
        let hosts = ["api.example.com:443", "localhost:1", "127.0.0.1:1", "127.0.0.2:1", "[::1]:2", "127.0.0.1:7391"];
        let (services, reached) = spec(&hosts, &[7391]);
        assert_eq!(services, ["1 [127.0.0.1, ::1, 127.0.0.2]", "2 [::1]"]);
        assert_eq!(reached, hosts[..5]);
        // A closed port is one of this machine, not of the world.
        assert_eq!(spec(&["api.example.com:7391"], &[7391]).1, ["api.example.com:7391"]);
    }

    #[test]
    fn a_host_without_a_port_is_an_error() {
        assert!(Reach::hosts(&["api.example.com".to_owned()]).is_err());
    }

    #[test]
    fn no_hosts_are_no_hosts() {
        assert_eq!(spec(&[], &[]), (Vec::new(), Vec::new()));
    }
}
