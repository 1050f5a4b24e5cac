//! The sandbox on Linux: one file per mechanism, put together here.

mod advice;
mod calls;
mod capabilities;
mod command;
mod descriptors;
mod dev;
mod landlock;
mod loopback;
mod mountinfo;
mod namespaces;
mod narrower;
mod plan;
mod private;
mod resolve;
mod root;
mod seccomp;
mod siblings;
mod tree;

pub use advice::advice;
pub use command::{dispatch, machine};
pub use namespaces::split;
pub use narrower::narrowed;

use super::policy::Policy;
use super::tally::Tally;
use super::{Applied, Refused, Split};
use bog_domain::containment::{Containment, Mechanism, NetworkAccess};
use nix::sched::CloneFlags;
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use seccomp::Sockets;
use std::io;
use std::path::{Path, PathBuf};

/// Puts the calling process, which has one thread, into the sandbox, with whatever it starts from now on. It ends up in
/// `working_dir`. `in_network` is done as soon as it is in a network of its own, with all the rights it has there; where
/// it gets none, it is not done.
///
/// # Errors
/// Where the working folder or something that is to be written is not there, where `in_network` fails, and where all of
/// the sandbox is required and the machine lacks a part of it. The process is good for nothing then but to say so.
pub fn enter(
    policy: &Policy,
    working_dir: &Path,
    split: Split,
    in_network: impl FnOnce() -> io::Result<()>,
) -> Result<Applied, Refused> {
    let mut tally = Tally::new(policy.enforcement, split.held, split.missing);
    let closed = descriptors::close_inherited();
    closed.map_err(|error| Refused::mechanism(Mechanism::NoNewPrivs, "listing open files", error))?;

    let built = namespaces::own(Mechanism::MountNamespace, CloneFlags::CLONE_NEWNS).and_then(|()| root::build(policy));
    let built = built.and_then(|built| {
        let renewed = descriptors::renew_null();
        renewed.map_err(|error| Refused::mechanism(Mechanism::MountNamespace, "opening `/dev/null`", error))?;
        Ok(built)
    });
    let built = tally.take(Mechanism::MountNamespace, built)?;
    let (plan, proc) = match built {
        Some(built) => (Some(built.plan), built.proc),
        None => (None, Err(Refused::mechanism(Mechanism::PidNamespace, "mounting a new `/proc`", Errno::PERM))),
    };
    proc.or_else(|refused| tally.lacks(refused))?;
    if policy.network != NetworkAccess::Full && tally.take(Mechanism::NetworkNamespace, own_network())?.is_some() {
        in_network().map_err(|error| Refused::network(&error))?;
    }
    std::env::set_current_dir(working_dir).map_err(|error| Refused::working_dir(working_dir, error))?;

    let no_new_privs = rustix::thread::set_no_new_privs(true);
    let no_new_privs = no_new_privs.map_err(failed(Mechanism::NoNewPrivs, "setting the mark"));
    tally.take(Mechanism::NoNewPrivs, no_new_privs)?;
    let dropped = capabilities::drop_all().map_err(failed(Mechanism::NoCapabilities, "giving up capabilities"));
    tally.take(Mechanism::NoCapabilities, dropped)?;

    let shut = policy.network != NetworkAccess::Full && !tally.holds(Mechanism::NetworkNamespace);
    let restricted = tally.take(Mechanism::Landlock, landlock::restrict(policy, plan.as_ref(), shut))?;
    let mut landlock_abi = 0;
    if let Some((abi, rest)) = restricted {
        landlock_abi = abi;
        rest.or_else(|refused| tally.lacks(refused))?;
    }
    // What the agent starts may look into each other, but not into this process, which speaks for all of them.
    let hidden = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    hidden.map_err(failed(Mechanism::NoNewPrivs, "closing this process to others"))?;
    let sockets = if shut && policy.network == NetworkAccess::None { Sockets::UnixOnly } else { Sockets::Usual };
    tally.take(Mechanism::Seccomp, seccomp::filter(sockets))?;

    let network = reachable(policy.network, shut, tally.holds(Mechanism::Seccomp));
    let containment = Containment {
        sandbox: tally.confinement(),
        network,
        held: tally.held,
        missing: tally.missing,
        landlock_abi,
        limits: Vec::new(),
    };
    Ok(Applied { containment, environment: environment(policy, plan.is_some()) })
}

fn own_network() -> Result<(), Refused> {
    namespaces::own(Mechanism::NetworkNamespace, CloneFlags::CLONE_NEWNET)?;
    loopback::up().map_err(failed(Mechanism::NetworkNamespace, "bringing up its loopback interface"))
}

/// What the agent can really reach. Without a network of its own only filters can keep it from the host's, and they
/// cannot tell addresses apart.
fn reachable(granted: NetworkAccess, shut: bool, filtered: bool) -> NetworkAccess {
    match granted {
        NetworkAccess::None if !shut || filtered => NetworkAccess::None,
        NetworkAccess::Provider | NetworkAccess::Loopback if !shut => granted,
        NetworkAccess::None | NetworkAccess::Provider | NetworkAccess::Loopback | NetworkAccess::Full => {
            NetworkAccess::Full
        }
    }
}

/// Where programs find places to write that every program expects.
fn environment(policy: &Policy, own_root: bool) -> Vec<(&'static str, Option<PathBuf>)> {
    let private = policy.private.as_ref().filter(|_| !own_root);
    let temporary = private.map_or_else(|| PathBuf::from("/tmp"), |folder| folder.join("tmp"));
    let cache = match private {
        Some(folder) => Some(folder.join(plan::CACHE)),
        None => policy.home.as_ref().map(|home| home.join(".cache")),
    };
    // The sockets of the user's session are not for agents.
    vec![("TMPDIR", Some(temporary)), ("XDG_CACHE_HOME", cache), ("XDG_RUNTIME_DIR", None)]
}

fn failed(mechanism: Mechanism, doing: &'static str) -> impl FnOnce(Errno) -> Refused {
    move |errno| Refused::mechanism(mechanism, doing, errno)
}
