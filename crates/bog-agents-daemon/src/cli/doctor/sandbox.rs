//! What this machine can hold an agent with, found out by trying it.

use super::Finding;
use crate::sandbox;
use bog_domain::containment::{Containment, Mechanism, Missing};

const CHECK: &str = "sandbox";

pub(super) fn check() -> Vec<Finding> {
    match sandbox::machine() {
        Ok(containment) => findings(&containment),
        Err(error) => vec![Finding::warn(CHECK, format!("cannot be tried here ({error}): run a job to see"))],
    }
}

fn findings(machine: &Containment) -> Vec<Finding> {
    let name = |mechanism: &Mechanism| match mechanism {
        Mechanism::Landlock => format!("{mechanism} (version {})", machine.landlock_abi),
        Mechanism::Cgroup
        | Mechanism::UserNamespace
        | Mechanism::PidNamespace
        | Mechanism::MountNamespace
        | Mechanism::IpcNamespace
        | Mechanism::NetworkNamespace
        | Mechanism::Seccomp
        | Mechanism::NoNewPrivs
        | Mechanism::NoCapabilities => mechanism.to_string(),
    };
    let held: Vec<String> = machine.held.iter().map(name).collect();
    let mut findings: Vec<Finding> = machine.missing.iter().map(missing).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(CHECK, format!("complete: {}", held.join(", "))));
    } else if !held.is_empty() {
        findings.push(Finding::ok(CHECK, format!("there is {}", held.join(", "))));
    }
    findings
}

fn missing(missing: &Missing) -> Finding {
    let Missing { mechanism, reason } = missing;
    let detail = format!("no `{mechanism}` ({reason}); until then only jobs with `sandbox: best_effort` start");
    // Where there is none at all that is no fault of the machine.
    if cfg!(target_os = "linux") { Finding::fail(CHECK, detail) } else { Finding::warn(CHECK, detail) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_one_line_and_what_is_missing_has_a_line_with_the_cure() {
        let machine = Containment {
            held: vec![Mechanism::PidNamespace, Mechanism::Landlock],
            landlock_abi: 7,
            ..Containment::default()
        };
        let complete = "complete: pid_namespace, landlock (version 7)";
        assert_eq!(findings(&machine), [Finding::ok("sandbox", complete)]);
        let lacking = Missing { mechanism: Mechanism::Seccomp, reason: "why; how".to_owned() };
        assert_eq!(
            findings(&Containment { missing: vec![lacking], ..machine }),
            [
                Finding::fail(
                    "sandbox",
                    "no `seccomp` (why; how); until then only jobs with `sandbox: best_effort` start"
                ),
                Finding::ok("sandbox", "there is pid_namespace, landlock (version 7)"),
            ]
        );
    }
}
