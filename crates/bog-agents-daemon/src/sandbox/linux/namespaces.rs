//! Namespaces: the views of users, processes, mounts, message queues and networks.

use super::{capabilities, command};
use crate::sandbox::policy::{Enforcement, Policy};
use crate::sandbox::tally::Tally;
use crate::sandbox::{Refused, Split};
use bog_domain::containment::Mechanism;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use std::io;
use std::path::Path;

/// Gives the calling process's next child a process table of its own and, where the caller may not do that, moves the
/// caller into a user namespace first, in which it may. Both share message queues and shared memory that nobody else has.
///
/// The caller has one thread. `program` is this program: for best effort it is asked to try first, as a user namespace
/// that cannot be set up to its end cannot be left again.
///
/// # Errors
/// Where one is required and the machine does not give it.
pub fn split(policy: &Policy, program: &Path) -> Result<Split, Refused> {
    let mut tally = Tally::new(policy.enforcement, Vec::new(), Vec::new());
    if policy.enforcement == Enforcement::Off {
        return Ok(Split::default());
    }
    if capabilities::may_administrate() {
        let own = own(Mechanism::PidNamespace, CloneFlags::CLONE_NEWPID);
        tally.take(Mechanism::PidNamespace, own)?;
    } else {
        let tried = match policy.enforcement {
            Enforcement::BestEffort => command::try_user_namespace(program),
            Enforcement::Required | Enforcement::Off => Ok(()),
        };
        if tally.take(Mechanism::UserNamespace, tried.and_then(|()| enter_user_namespace()))?.is_some() {
            tally.held.push(Mechanism::PidNamespace);
        } else {
            let doing = "making one without a user namespace";
            tally.lacks(Refused::mechanism(Mechanism::PidNamespace, doing, Errno::EPERM))?;
        }
    }
    // Here and not with the rest: what is held in shared memory is counted from the outside, by whoever is in it too.
    tally.take(Mechanism::IpcNamespace, own(Mechanism::IpcNamespace, CloneFlags::CLONE_NEWIPC))?;
    Ok(Split { held: tally.held, missing: tally.missing })
}

/// Enters a user namespace in which this user is who he is, and may unshare the rest.
///
/// # Errors
/// What the system says. Where it fails half-way, this process is good for nothing any more.
pub fn enter_user_namespace() -> Result<(), Refused> {
    let (uid, gid) = (geteuid(), getegid());
    let failed =
        |doing: &'static str| move |error: io::Error| Refused::mechanism(Mechanism::UserNamespace, doing, error);
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWPID)
        .map_err(|errno| failed("making a user namespace")(errno.into()))?;
    // Without this an ordinary user may not map his group: giving up a group can also give rights.
    std::fs::write("/proc/self/setgroups", "deny").map_err(failed("writing `/proc/self/setgroups`"))?;
    std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).map_err(failed("writing `/proc/self/gid_map`"))?;
    std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).map_err(failed("writing `/proc/self/uid_map`"))?;
    capabilities::hand_down().map_err(|errno| failed("handing capabilities down")(errno.into()))
}

/// Gives this process a namespace of its own; or, for processes, its next child.
///
/// # Errors
/// What the system says.
pub fn own(mechanism: Mechanism, flag: CloneFlags) -> Result<(), Refused> {
    unshare(flag).map_err(|errno| Refused::mechanism(mechanism, "making one", errno))
}
