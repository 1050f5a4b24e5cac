//! Systems on which there is no sandbox yet.

use super::policy::{Enforcement, Policy};
use super::tally::Tally;
use super::{Applied, Narrow, Refused, Split};
use bog_domain::containment::{Containment, Mechanism, NetworkAccess};
use nix::errno::Errno;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// What there would have to be.
const MECHANISMS: [Mechanism; 2] = [Mechanism::MountNamespace, Mechanism::NoNewPrivs];

/// Sets up nothing.
///
/// # Errors
/// Where a sandbox is required.
pub fn split(policy: &Policy, _program: &Path) -> Result<Split, Refused> {
    if policy.enforcement == Enforcement::Off {
        return Ok(Split::default());
    }
    let mut tally = Tally::new(policy.enforcement, Vec::new(), Vec::new());
    for mechanism in MECHANISMS {
        tally.lacks(Refused::mechanism(mechanism, "setting up a sandbox", Errno::ENOTSUP))?;
    }
    Ok(Split { held: tally.held, missing: tally.missing })
}

/// Enters the working folder, and nothing else.
///
/// # Errors
/// Where the working folder cannot be entered, or a sandbox is required.
pub fn enter(
    policy: &Policy,
    working_dir: &Path,
    split: Split,
    _in_network: impl FnOnce() -> io::Result<()>,
) -> Result<Applied, Refused> {
    let tally = Tally::new(policy.enforcement, split.held, split.missing);
    std::env::set_current_dir(working_dir).map_err(|error| Refused::working_dir(working_dir, error))?;
    let containment = Containment {
        sandbox: tally.confinement(),
        network: NetworkAccess::Full,
        held: tally.held,
        missing: tally.missing,
        landlock_abi: 0,
        limits: Vec::new(),
    };
    Ok(Applied { containment, environment: Vec::new() })
}

/// There is no hidden command here.
#[must_use]
pub fn dispatch(_args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    None
}

/// What comes before a program: nothing, as nothing holds it.
#[must_use]
pub fn narrowed(_narrow: &Narrow) -> Vec<OsString> {
    Vec::new()
}

/// What this machine gives: nothing.
///
/// # Errors
/// None.
pub fn machine() -> io::Result<Containment> {
    let policy = Policy { enforcement: Enforcement::BestEffort, ..Policy::default() };
    let split = split(&policy, Path::new("")).unwrap_or_default();
    Ok(Containment { missing: split.missing, network: NetworkAccess::Full, ..Containment::default() })
}

/// What can be done about it.
pub fn advice(_mechanism: Mechanism, _errno: i32) -> &'static str {
    "this system has no sandbox that is used yet"
}
