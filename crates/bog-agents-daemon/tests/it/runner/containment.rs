//! What an attempt was held by is recorded as it was, and what cannot hold is refused or told.

use super::attempt::{Attempt, program};
use crate::support::machine;
use bog_agents_daemon::runner::handle::{self as runner, OutcomeRecord};
use bog_agents_daemon::sandbox::policy::Enforcement;
use bog_domain::containment::{Confinement, Containment, Mechanism, NetworkAccess};
use bog_domain::run::Outcome;
use std::process::Command;

#[tokio::test]
async fn what_held_is_recorded() {
    let [host, confined] = Attempt::both(|| Attempt::new(&["true"]));
    let expected = Containment { network: NetworkAccess::Full, ..Containment::default() };
    assert_eq!(host.run().await.containment, Some(expected));

    let found = confined.run().await.containment.expect("a containment");
    assert_eq!((found.sandbox, found.network), (Confinement::Enforced, NetworkAccess::None));
    assert_eq!(found.missing, []);
    machine::has_landlock(found.landlock_abi);
    for mechanism in [
        Mechanism::PidNamespace,
        Mechanism::MountNamespace,
        Mechanism::IpcNamespace,
        Mechanism::NetworkNamespace,
        Mechanism::Landlock,
        Mechanism::Seccomp,
        Mechanism::NoNewPrivs,
        Mechanism::NoCapabilities,
    ] {
        assert!(found.held.contains(&mechanism), "{mechanism} is missing in {found:?}");
    }
    let is_root = nix::unistd::geteuid().is_root();
    assert_eq!(found.held.contains(&Mechanism::UserNamespace), !is_root, "{found:?}");
}

#[tokio::test]
async fn an_agent_that_was_not_started_was_held_by_nothing() {
    for attempt in Attempt::both(|| Attempt::new(&["no-such-agent"])) {
        let record = attempt.run().await;
        assert_eq!((record.outcome, record.containment), (Outcome::StartFailed, None));
    }
}

/// Runs the attempt where the system gives no more namespaces of one kind: its limit is set to 0 in a user namespace
/// made for that. `wrapper` stands before the runner's command.
pub fn without(attempt: &Attempt, limit: &str, wrapper: &str) -> OutcomeRecord {
    attempt.prepare();
    let script = format!("echo 0 > /proc/sys/user/{limit} && exec {wrapper} \"$BOG\" runner \"$D\"");
    let output = Command::new("unshare")
        .args(["-Ur", "sh", "-c", &script])
        .env_clear()
        .envs(attempt.env.iter().cloned())
        .env("BOG", program())
        .env("BOG_RUN_ID", attempt.spec.run_id.to_string())
        .env("D", &attempt.dir)
        .output()
        .expect("unshare");
    assert!(output.status.success(), "{output:?}");
    runner::read_outcome(&attempt.dir).expect("readable").expect("an outcome")
}

/// Every kind of namespace that the sandbox needs: its limit, and how to come to need it. Root needs no user namespace
/// as long as it may administrate.
const KINDS: [(Mechanism, &str, &str); 5] = [
    (Mechanism::UserNamespace, "max_user_namespaces", "setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin"),
    (Mechanism::PidNamespace, "max_pid_namespaces", ""),
    (Mechanism::MountNamespace, "max_mnt_namespaces", ""),
    (Mechanism::IpcNamespace, "max_ipc_namespaces", ""),
    (Mechanism::NetworkNamespace, "max_net_namespaces", ""),
];

#[test]
fn without_what_is_required_nothing_of_the_agent_runs() {
    for (mechanism, limit, wrapper) in KINDS {
        let attempt = Attempt::shell("echo ran > ran").confined();
        let record = without(&attempt, limit, wrapper);
        let error = record.error.expect("an error");
        assert_eq!((record.outcome, record.containment), (Outcome::StartFailed, None), "{limit}: {error}");
        assert!(error.contains(&format!("`{mechanism}`")) && error.contains("`sandbox: best_effort`"), "{error}");
        assert!(!attempt.path("ran").exists(), "{limit}");
        assert_eq!(attempt.processes(), Vec::<i32>::new(), "{limit}");
    }
}

#[test]
fn best_effort_goes_on_with_what_there_is_and_says_so() {
    for (mechanism, limit, wrapper) in KINDS {
        let escaping =
            "(setsid env -i PATH=$PATH sh -c 'trap \"\" TERM; echo > escaped; while :; do sleep 1; done' $TAG &)
            until [ -e escaped ]; do sleep 0.01; done; echo ran";
        let mut attempt = Attempt::shell(escaping).confined();
        attempt.spec.sandbox.enforcement = Enforcement::BestEffort;
        attempt.spec.grace_ms = 50;
        let record = without(&attempt, limit, wrapper);
        assert_eq!((record.outcome, record.output.as_str()), (Outcome::Succeeded, "ran\n"), "{limit}: {record:?}");
        let found = record.containment.expect("a containment");
        assert_eq!(found.sandbox, Confinement::Partial, "{limit}");
        assert!(!found.held.contains(&mechanism), "{limit}: {found:?}");
        assert!(found.missing.iter().any(|missing| missing.mechanism == mechanism), "{limit}: {found:?}");
        // By itself an old one does not hold.
        let alone = !found.held.contains(&Mechanism::MountNamespace) && machine::truncates(found.landlock_abi);
        assert_eq!(found.held.contains(&Mechanism::Landlock), !alone, "{limit}: {found:?}");
        assert_eq!(attempt.processes(), Vec::<i32>::new(), "the whole tree is gone without {mechanism}");
    }
}
