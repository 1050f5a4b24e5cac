//! Which relay an attempt needs to have the network it is granted, and no more of it.

use crate::relay::{Reach, Relay, spawn};
use crate::sandbox::policy::{Enforcement, Policy};
use bog_domain::containment::NetworkAccess;

/// Starts the relay of an attempt; `None` where it needs none. To be called before the sandbox is split off: the relay
/// stays outside.
///
/// # Errors
/// Why there is none, for people.
pub fn relay(policy: &Policy) -> Result<Option<Relay>, String> {
    let reach = match (policy.enforcement, policy.network) {
        (Enforcement::Off, _) | (_, NetworkAccess::None | NetworkAccess::Full) => return Ok(None),
        (Enforcement::BestEffort | Enforcement::Required, NetworkAccess::Provider) => Reach::hosts(&policy.hosts)
            .map_err(|error| format!("the address of a model provider is not usable: {error}"))?,
        (Enforcement::BestEffort | Enforcement::Required, NetworkAccess::Loopback) => Reach::Loopback,
    };
    spawn(&reach, &policy.closed_ports).map(Some).map_err(|error| error.to_string())
}
