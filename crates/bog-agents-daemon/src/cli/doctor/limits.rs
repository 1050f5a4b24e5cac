//! What holds runs to their limits: control groups, where the daemon was given some, else the runner's own means.

use super::super::context::Context;
use super::Finding;
use crate::cgroup::{self, Controller, Place, Refused};

const CHECK: &str = "limits";
/// What to do for control groups.
const CURE: &str = "for control groups run it as a unit of systemd with `Delegate=yes` and `DelegateSubgroup=daemon` (for a \
                    systemd before version 254 see `docs/configuration.md`)";

pub(super) fn check(context: &Context) -> Vec<Finding> {
    // The daemon's standing is what counts; this process's own says what a daemon started from here would have.
    let pid = std::fs::read_to_string(context.data_dir.join("daemon.pid")).unwrap_or_default();
    let of_daemon = Some(pid.trim()).filter(|pid| !pid.is_empty()).map(cgroup::find);
    vec![of(match of_daemon {
        Some(Err(Refused::NoHierarchy)) | None => cgroup::find("self").map(|place| (place.available(), place)),
        Some(found) => found.map(|place| (place.given(), place)),
    })]
}

fn of(found: Result<(Vec<Controller>, Place), Refused>) -> Finding {
    match found {
        Ok((controllers, place)) => {
            let base = place.base.display();
            let (has, lacks): (Vec<_>, Vec<_>) =
                Controller::ALL.into_iter().partition(|controller| controllers.contains(controller));
            match (names(&has), names(&lacks)) {
                (has, lacks) if lacks.is_empty() => Finding::ok(CHECK, format!("control groups at `{base}`: {has}")),
                (has, lacks) if has.is_empty() => Finding::warn(
                    CHECK,
                    format!("control groups at `{base}`, a watchdog for limits: {lacks} are not there"),
                ),
                (has, lacks) => Finding::warn(
                    CHECK,
                    format!("control groups at `{base}`: {has}; a watchdog for the rest: no {lacks}"),
                ),
            }
        }
        Err(why) => Finding::warn(CHECK, format!("limits of each process and a watchdog: {why}; {CURE}")),
    }
}

fn names(controllers: &[Controller]) -> String {
    controllers.iter().map(|controller| controller.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_there_and_how_to_get_the_rest() {
        let place = || Place { base: "/cg/x".into(), own: "/cg/x/daemon".into(), is_top: false };
        let said = |controllers: &[Controller]| of(Ok((controllers.to_vec(), place())));
        assert_eq!(said(&Controller::ALL), Finding::ok("limits", "control groups at `/cg/x`: memory, pids, cpu"));
        assert_eq!(
            said(&[Controller::Memory, Controller::Pids]),
            Finding::warn("limits", "control groups at `/cg/x`: memory, pids; a watchdog for the rest: no cpu")
        );
        assert_eq!(
            said(&[]),
            Finding::warn(
                "limits",
                "control groups at `/cg/x`, a watchdog for limits: memory, pids, cpu are not there"
            )
        );
        assert_eq!(
            of(Err(Refused::NotDelegated("/cg/y".into()))),
            Finding::warn(
                "limits",
                "limits of each process and a watchdog: the control group `/cg/y` is not delegated; for control groups run \
                 it as a unit of systemd with `Delegate=yes` and `DelegateSubgroup=daemon` (for a systemd before version \
                 254 see `docs/configuration.md`)"
            )
        );
    }
}
