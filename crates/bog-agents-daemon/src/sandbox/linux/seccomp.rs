//! Filters of system calls: what an agent never needs and what would widen its view or reach parts of the kernel that
//! have often been broken.
//!
//! It is a list of what is refused, not of what is allowed: agents run whatever programs their users have. Programs of
//! another architecture than this one, such as 32-bit ones, are ended.

use super::calls::{self, Call};
use crate::sandbox::Refused;
use bog_domain::containment::Mechanism;
use nix::errno::Errno;
use nix::unistd::geteuid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, sock_filter,
};
use std::collections::BTreeMap;
use std::io;

/// Which kinds of sockets may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// The usual ones.
    Usual,
    /// Those that stay on this machine: the network is closed by nothing else.
    UnixOnly,
}

/// Filters what the calling thread, and what it starts, may ask of the kernel. The last thing to be set up.
///
/// # Errors
/// Where the kernel has no filters.
pub fn filter(sockets: Sockets) -> Result<(), Refused> {
    let refused = [
        (calls::refused(geteuid().is_root()), Errno::EPERM),
        // Programs fall back to an older call whose arguments a filter can see.
        (calls::unknown(), Errno::ENOSYS),
        (calls::sockets(sockets), Errno::EAFNOSUPPORT),
    ];
    for (calls, errno) in refused {
        load(&program(&calls, errno).map_err(|_| failed(Errno::ENOSYS.into()))?)?;
    }
    if cfg!(target_arch = "x86_64") {
        load(&second_set())?;
    }
    Ok(())
}

/// Refuses every socket but those that stay on this machine, on top of what is filtered already.
///
/// # Errors
/// Where the kernel has no filters.
pub fn shut_sockets() -> Result<(), Refused> {
    let calls = calls::sockets(Sockets::UnixOnly);
    load(&program(&calls, Errno::EAFNOSUPPORT).map_err(|_| failed(Errno::ENOSYS.into()))?)
}

fn load(program: &BpfProgram) -> Result<(), Refused> {
    apply_filter(program).map_err(|error| {
        failed(match error {
            seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
            seccompiler::Error::Backend(_) | seccompiler::Error::EmptyFilter | seccompiler::Error::ThreadSync(_) => {
                Errno::EINVAL.into()
            }
        })
    })
}

fn failed(error: io::Error) -> Refused {
    Refused::mechanism(Mechanism::Seccomp, "loading a filter of system calls", error)
}

/// Some kernels for x86_64 know every call by a second number, past the other filters. No program of today uses them.
fn second_set() -> BpfProgram {
    const FIRST: u32 = 0x4000_0000;
    // Of `linux/bpf_common.h`: `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JGE | BPF_K`, `BPF_RET | BPF_K`.
    const LOAD_NUMBER: u16 = 0x20;
    const IF_AT_LEAST: u16 = 0x35;
    const ANSWER: u16 = 0x06;
    let step = |code, jf, k| sock_filter { code, jt: 0, jf, k };
    vec![
        step(LOAD_NUMBER, 0, 0),
        step(IF_AT_LEAST, 1, FIRST),
        step(ANSWER, 0, SeccompAction::Errno(Errno::EPERM as u32).into()),
        step(ANSWER, 0, SeccompAction::Allow.into()),
    ]
}

/// A filter that answers these calls with `errno`.
fn program(calls: &[Call], errno: Errno) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in calls {
        let conditions = call.only_if.iter().map(|(argument, test)| {
            let (operation, value) = match *test {
                calls::Test::Is(value) => (SeccompCmpOp::Eq, value),
                calls::Test::IsNot(value) => (SeccompCmpOp::Ne, value),
                calls::Test::Has(bits) => (SeccompCmpOp::MaskedEq(bits), bits),
            };
            SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, operation, value)
        });
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        let chain = rules.entry(call.number).or_default();
        // A chain without a rule refuses in any case.
        if !conditions.is_empty() {
            chain.push(SeccompRule::new(conditions)?);
        }
    }
    let architecture: TargetArch = std::env::consts::ARCH.try_into()?;
    let errno = SeccompAction::Errno(errno as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, errno, architecture)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [Vec<Call>; 5] {
        let sockets = [Sockets::Usual, Sockets::UnixOnly].map(calls::sockets);
        let [usual, unix_only] = sockets;
        [calls::refused(true), calls::refused(false), calls::unknown(), usual, unix_only]
    }

    #[test]
    fn every_filter_can_be_built_and_is_small() {
        for calls in all() {
            let length = program(&calls, Errno::EPERM).expect("a program").len();
            assert!((4..1000).contains(&length), "{length}");
        }
    }

    #[test]
    fn no_call_is_refused_both_always_and_sometimes() {
        for calls in all() {
            let mut kinds: BTreeMap<i64, bool> = BTreeMap::new();
            for call in calls {
                assert_eq!(*kinds.entry(call.number).or_insert(call.only_if.is_empty()), call.only_if.is_empty());
            }
        }
    }
}
