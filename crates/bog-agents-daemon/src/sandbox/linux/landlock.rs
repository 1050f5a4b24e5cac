//! Landlock: rules for files that hold even where the mounts should not, and for signals, abstract sockets and ports
//! where the kernel has them.

use super::plan::{Entry, Kind, Plan};
use super::private;
use super::resolve::Found;
use super::siblings::without;
use super::tree::host_place;
use crate::sandbox::Refused;
use crate::sandbox::policy::Policy;
use bog_domain::containment::{Mechanism, NetworkAccess};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// The newest version whose rules are known here; of an older kernel it takes what that has.
const NEWEST: ABI = ABI::V10;
/// What it needs to hold files alone. Before version 3 whatever may be read may be truncated; in the new root it lies on
/// a mount that is read-only, so that there any version will do. With version 1 nothing can be moved or linked between
/// folders: that is too much rather than too little.
const ALONE: ABI = ABI::V3;
/// Where names are looked up.
const DOMAIN: u16 = 53;

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{Execute | ReadFile | ReadDir});
/// Whatever changes a file or a folder.
const CHANGES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    WriteFile | Truncate | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo | MakeSym | Refer
});
const DEVICES: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | Truncate | IoctlDev});

/// Puts the calling thread, and what it starts, under rules. `inside`: it is in the new root already. `shut`: the system
/// gave it no network of its own, so that ports must be closed here.
///
/// Returns the version of the kernel's interface, and the rest: what an old version lacks where nothing else holds files.
///
/// # Errors
/// Where the kernel has no Landlock.
pub fn restrict(policy: &Policy, inside: Option<&Plan>, shut: bool) -> Result<(u32, Result<(), Refused>), Refused> {
    let ports = shut.then(|| ports(policy)).flatten();
    let handle = || -> Result<RulesetCreated, RulesetError> {
        let ruleset = Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?.scope(Scope::from_all(NEWEST))?;
        let ruleset = if ports.is_some() { ruleset.handle_access(AccessNet::from_all(ABI::V4))? } else { ruleset };
        ruleset.create()
    };
    let ruleset = handle().map_err(|error| failed("making rules", &error))?;
    let ruleset = match inside {
        Some(plan) => rules_inside(ruleset, plan),
        None => rules_on_host(ruleset, policy)?,
    };
    let finish = || -> Result<LandlockStatus, RulesetError> {
        let connect = |port: u16| NetPort::new(port, AccessNet::ConnectTcp);
        let ruleset =
            ports.unwrap_or_default().into_iter().try_fold(ruleset?, |rules, port| rules.add_rule(connect(port)))?;
        Ok(ruleset.restrict_self()?.landlock)
    };
    match finish().map_err(|error| failed("enforcing rules", &error))? {
        LandlockStatus::NotEnabled => Err(refused("making rules", Errno::OPNOTSUPP)),
        LandlockStatus::NotImplemented => Err(refused("making rules", Errno::NOSYS)),
        LandlockStatus::Available { effective_abi, .. } => {
            let lacking = inside.is_none() && effective_abi < ALONE;
            let rest = if lacking { Err(refused("making all rules for files", Errno::NOSYS)) } else { Ok(()) };
            Ok((effective_abi as u32, rest))
        }
    }
}

/// Puts the calling thread, and what it starts, under one more layer of rules: it neither traces nor signals what is
/// outside of it, and writes to nothing but `write` and devices, where that is given.
///
/// # Errors
/// Where rules can be made but not these. A kernel that lacks some of them, or all, is no error: the sandbox around has
/// said so.
pub fn narrow(write: Option<&[PathBuf]>) -> Result<(), Refused> {
    let handle = || -> Result<RulesetCreated, RulesetError> {
        // There is no layer without a rule about something; this is nothing that anybody may do anyway.
        let access = if write.is_some() { CHANGES } else { AccessFs::MakeBlock.into() };
        Ruleset::default().handle_access(access)?.scope(Scope::from_all(NEWEST))?.create()
    };
    let mut rules = handle();
    let folders = write.into_iter().flatten().map(PathBuf::as_path);
    for folder in folders.chain(write.map(|_| Path::new("/dev"))) {
        let Ok(place) = rustix::fs::open(folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else { continue };
        let access = if is_folder(&place) { CHANGES } else { CHANGES & AccessFs::from_file(NEWEST) };
        rules = rules.and_then(|rules| rules.add_rule(PathBeneath::new(place, access)));
    }
    let restricted = rules.and_then(RulesetCreated::restrict_self);
    restricted.map(drop).map_err(|error| failed("enforcing rules for a tool", &error))
}

/// The TCP ports that may be connected to where nothing else closes the network; `None` where no port can be told.
fn ports(policy: &Policy) -> Option<Vec<u16>> {
    match policy.network {
        NetworkAccess::None => Some(Vec::new()),
        NetworkAccess::Provider => {
            let port = |host: &String| host.rsplit_once(':')?.1.parse().ok();
            Some(policy.hosts.iter().filter_map(port).chain([DOMAIN]).collect())
        }
        NetworkAccess::Loopback | NetworkAccess::Full => None,
    }
}

type Rules = Result<RulesetCreated, RulesetError>;

/// In the new root everything may be read; what may be written is named again.
fn rules_inside(ruleset: RulesetCreated, plan: &Plan) -> Rules {
    let mut rules = allow(Ok(ruleset), Path::new("/"), READ);
    for (path, entry) in &plan.entries {
        rules = match entry.kind {
            Kind::Write | Kind::Private(_) => allow(rules, path, writing(*entry)),
            Kind::Dev => allow(allow(rules, path, DEVICES), Path::new("/dev/shm"), writing(*entry)),
            // A socket that is named is meant to be used.
            Kind::Read if entry.found == Found::Socket => allow(rules, path, AccessFs::ResolveUnix.into()),
            Kind::Read | Kind::Hidden | Kind::Device | Kind::Proc | Kind::Sys => rules,
        };
    }
    rules
}

/// On the host's own view only what is granted may be touched at all. Rules cannot take away, so where something is
/// hidden within a granted folder its neighbours are granted instead.
fn rules_on_host(ruleset: RulesetCreated, policy: &Policy) -> Result<Rules, Refused> {
    let plan = Plan::new(policy)?;
    let special =
        plan.entries.iter().filter(|(_, entry)| !matches!(entry.kind, Kind::Read | Kind::Write | Kind::Device));
    let special: Vec<&Path> = special.map(|(path, _)| path.as_path()).collect();
    let mut rules = Ok(ruleset);
    for (path, entry) in &plan.entries {
        let (roots, access) = match entry.kind {
            Kind::Read if entry.found == Found::Socket => (vec![path.clone()], AccessFs::ResolveUnix.into()),
            Kind::Read => (without(path, &special), READ),
            Kind::Write => (without(path, &special), writing(*entry)),
            Kind::Proc | Kind::Sys => (vec![path.clone()], READ),
            Kind::Device => (vec![path.clone()], DEVICES),
            Kind::Dev => (vec![path.join("ptmx"), path.join("pts")], DEVICES),
            Kind::Private(name) => {
                let Some(folder) = &policy.private else { continue };
                let prepared = private::prepare(folder, name);
                drop(prepared.map_err(|error| Refused::grant(&folder.join(name), error))?);
                (vec![folder.join(name)], writing(*entry))
            }
            Kind::Hidden => continue,
        };
        rules = roots.iter().fold(rules, |rules, root| allow(rules, root, access));
    }
    Ok(rules)
}

/// All that can be done to files, but for making devices and speaking to them.
fn writing(entry: Entry) -> BitFlags<AccessFs> {
    let devices = make_bitflags!(AccessFs::{MakeChar | MakeBlock | IoctlDev});
    match entry.found {
        Found::Folder => AccessFs::from_all(NEWEST) & !devices,
        Found::File | Found::Socket => AccessFs::from_file(NEWEST) & !devices,
    }
}

/// Adds a rule. What is not there needs none.
fn allow(rules: Rules, path: &Path, access: BitFlags<AccessFs>) -> Rules {
    let rules = rules?;
    let Ok(place) = host_place(path) else { return Ok(rules) };
    let access = if is_folder(&place) { access } else { access & AccessFs::from_file(NEWEST) };
    rules.add_rule(PathBeneath::new(place, access))
}

fn is_folder(place: &OwnedFd) -> bool {
    rustix::fs::fstat(place).is_ok_and(|status| rustix::fs::FileType::from_raw_mode(status.st_mode).is_dir())
}

fn failed(doing: &str, error: &RulesetError) -> Refused {
    // The system's error lies at the bottom.
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(errno) = error.downcast_ref::<std::io::Error>().and_then(Errno::from_io_error) {
            return refused(doing, errno);
        }
        cause = error.source();
    }
    refused(doing, Errno::INVAL)
}

fn refused(doing: &str, errno: Errno) -> Refused {
    Refused::mechanism(Mechanism::Landlock, doing, errno)
}
