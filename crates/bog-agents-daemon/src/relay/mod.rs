//! The relay: what stands between an agent in an empty network namespace and the little of the network it was granted.
//!
//! `bog-agents-daemon relay SPEC` runs outside of the sandbox, as a child of the runner ([`spawn()`]). Its listening
//! sockets lie inside: the launch stage makes them in the agent's network namespace and passes them on ([`hand_over()`]),
//! and a socket stays in the namespace it was made in. So the relay accepts inside and connects outside, and neither the
//! namespace nor the relay holds anything that would lead the agent further.
//!
//! It either speaks HTTP proxy for the hosts of a list, or forwards the ports of this machine's loopback services as they
//! are. It carries TCP only, opens no connection by itself, keeps nothing, and reads no byte of what is encrypted.

mod connect;
mod forward;
mod hand_over;
mod host;
mod idle;
mod message;
mod proxy;
mod serve;
mod services;
mod spawn;

pub use hand_over::{Doors, Passage, hand_over};
pub use host::{Host, HostError};
pub use spawn::{Reach, Relay, RelayError, spawn, spawn_from};

use serde::{Deserialize, Serialize};
use services::Service;
use std::ffi::OsString;
use std::process::ExitCode;

/// The hidden command.
const RELAY: &str = "relay";

/// What the relay is told, as JSON in its argument. Its environment names the proxies that it is to go through itself;
/// its standard input is the socket over which the listening sockets come, and whose end is its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// The runner's pid: should the parent be another, the runner is gone already.
    runner: i32,
    /// The services of this machine that it forwards to, by the port that is the same inside.
    services: Vec<Service>,
    /// The hosts to which it is an HTTP proxy; `None` where it is no proxy.
    hosts: Option<Vec<Host>>,
}

/// Runs the hidden command, if the arguments name it: `relay SPEC`.
#[must_use]
pub fn dispatch(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    if args.next()? != RELAY {
        return None;
    }
    let spec = args.next()?;
    Some(serve::run(&spec))
}
