//! Capabilities: the pieces of root's power. Agents have none.

use rustix::io::Errno;
use rustix::thread as system;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// What the launch stage needs of a user namespace's first process: to mount and unshare, to give up capabilities for
/// good, and to bring up a network interface and listen at any port of it.
const HANDED_DOWN: [CapabilitySet; 4] =
    [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP, CapabilitySet::NET_ADMIN, CapabilitySet::NET_BIND_SERVICE];

/// More than any kernel has: their numbers fit into 64 bits.
const NUMBERS: std::ops::Range<u32> = 0..64;

/// Whether this process may make namespaces as it is.
pub fn may_administrate() -> bool {
    system::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Lets the next program that this process or a child executes keep what the launch stage needs. Without this whoever is
/// not root in a namespace has no capability after `exec`.
///
/// # Errors
/// What the system says.
pub fn hand_down() -> Result<(), Errno> {
    let all = HANDED_DOWN.into_iter().fold(CapabilitySet::empty(), CapabilitySet::union);
    let held = system::capabilities(None)?;
    system::set_capabilities(None, CapabilitySets { inheritable: all, ..held })?;
    HANDED_DOWN.into_iter().try_for_each(|one| system::configure_capability_in_ambient_set(one, true))
}

/// Gives up every capability for good, also for whatever this process executes.
///
/// Where it may not shrink what later programs could gain, `no_new_privs` keeps them from it.
///
/// # Errors
/// What the system says; `EPERM` where a capability stayed.
pub fn drop_all() -> Result<(), Errno> {
    for number in NUMBERS {
        match system::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // The kernel has no more, or this process may not.
            Err(Errno::INVAL | Errno::PERM) => break,
            Err(error) => return Err(error),
        }
    }
    system::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    system::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    let left = system::capabilities(None)?;
    if (left.effective | left.permitted | left.inheritable).is_empty() { Ok(()) } else { Err(Errno::PERM) }
}
