//! What a run was held by, in a few plain lines of `runs show`.

use super::super::out::{Ink, Paint};
use crate::api::wire::Run;
use bog_domain::containment::{Confinement, Containment, Mechanism};

/// Names and values for people. An empty value says nothing.
pub(super) fn rows(run: &Run, paint: Paint) -> [(&'static str, String); 5] {
    let hit = run.limit.map(|limit| limit.to_string()).unwrap_or_default();
    let [sandbox, held, missing, limits] = run.containment.as_ref().map(|held| said(held, paint)).unwrap_or_default();
    [
        ("limit hit", paint.with(Ink::Bad, &hit)),
        ("sandbox", sandbox),
        ("held", held),
        ("missing", missing),
        ("limits", limits),
    ]
}

fn said(held: &Containment, paint: Paint) -> [String; 4] {
    let ink = match held.sandbox {
        Confinement::Enforced => Ink::Good,
        Confinement::Partial | Confinement::Off => Ink::Care,
    };
    let sandbox = format!("{}, network {}", paint.with(ink, held.sandbox.as_str()), held.network);
    let mechanisms: Vec<String> = held.held.iter().map(|mechanism| named(*mechanism, held.landlock_abi)).collect();
    let missing = held.missing.iter().map(|missing| format!("{}: {}", missing.mechanism.phrase(), missing.reason));
    let missing: Vec<String> = missing.map(|line| paint.with(Ink::Care, &line)).collect();
    let limits: Vec<String> = held.limits.iter().map(ToString::to_string).collect();
    [sandbox, mechanisms.join(", "), missing.join("\n"), limits.join(", ")]
}

fn named(mechanism: Mechanism, landlock_abi: u32) -> String {
    let version = match mechanism {
        Mechanism::Landlock if landlock_abi > 0 => format!(" (ABI {landlock_abi})"),
        Mechanism::Landlock
        | Mechanism::Cgroup
        | Mechanism::UserNamespace
        | Mechanism::PidNamespace
        | Mechanism::MountNamespace
        | Mechanism::IpcNamespace
        | Mechanism::NetworkNamespace
        | Mechanism::Seccomp
        | Mechanism::NoNewPrivs
        | Mechanism::NoCapabilities => String::new(),
    };
    format!("{}{version}", mechanism.phrase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::fields;
    use serde_json::{Value, json};

    fn shown(limit: Value, containment: Value) -> String {
        let mut run: Value = serde_json::from_str(include_str!("../../../tests/it/samples/wire/run.json")).unwrap();
        run["limit"] = limit;
        run["containment"] = containment;
        fields(&rows(&serde_json::from_value(run).unwrap(), Paint::fixed(false)))
    }

    #[test]
    fn a_run_says_what_held_it() {
        let enforced = shown(
            json!({"limit": "memory", "allowed": 64 << 20, "peak": (64 << 20) + (3 << 18)}),
            json!({
                "sandbox": "enforced", "network": "none", "landlock_abi": 7,
                "held": ["user_namespace", "pid_namespace", "mount_namespace", "ipc_namespace", "network_namespace",
                         "landlock", "seccomp", "no_new_privs", "no_capabilities"],
                "limits": [
                    {"limit": "memory", "allowed": 64 << 20, "by": "cgroup"},
                    {"limit": "cpu", "allowed": 1500, "by": "cgroup"},
                    {"limit": "cpu_seconds", "allowed": 600_000, "by": "watchdog"},
                    {"limit": "open_files", "allowed": 1024, "by": "rlimit"}
                ]
            }),
        );
        let partial = shown(
            Value::Null,
            json!({
                "sandbox": "partial", "network": "full", "held": ["landlock", "no_new_privs"], "landlock_abi": 4,
                "missing": [
                    {"mechanism": "user_namespace", "reason": "`kernel.unprivileged_userns_clone` is 0"},
                    {"mechanism": "seccomp", "reason": "the kernel has none"}
                ]
            }),
        );
        let off = shown(Value::Null, json!({"sandbox": "off", "network": "full"}));
        insta::assert_snapshot!([enforced, partial, off].join("\n----\n"));
    }

    #[test]
    fn a_run_of_which_nothing_is_known_says_nothing() {
        assert_eq!(shown(Value::Null, Value::Null), "");
    }
}
