//! Crash points for the fault tests, named where they stand. Without the cargo feature `failpoints` they are nothing.
//!
//! `BOG_FAILPOINTS="name=kill;other=kill@3;third=sleep:200"`: `kill` ends this process with SIGKILL, `kill@N` at the
//! Nth hit, `sleep:MS` waits that many milliseconds at every hit.

/// The variable that arms failpoints.
#[cfg(feature = "failpoints")]
pub const VARIABLE: &str = "BOG_FAILPOINTS";

/// Passes the crash point `name`.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_name: &str) {}

/// Passes the crash point `name`.
///
/// # Panics
/// Where `BOG_FAILPOINTS` cannot be understood: a fault test that silently tests nothing is worse.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex, PoisonError};
    use std::time::Duration;

    static ARMED: LazyLock<String> = LazyLock::new(|| crate::env::var(VARIABLE).unwrap_or_default());
    static HITS: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

    let action = ARMED.split(';').filter_map(|point| point.split_once('=')).find(|(point, _)| point.trim() == name);
    let Some((_, action)) = action else { return };
    let hits = {
        let mut all = HITS.lock().unwrap_or_else(PoisonError::into_inner);
        let hits = all.entry(name.to_owned()).or_default();
        *hits += 1;
        *hits
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("bad failpoint `{name}={action}`"));
    match action.split_once(['@', ':']) {
        None if action == "kill" => kill(),
        Some(("kill", nth)) if number(nth) == hits => kill(),
        Some(("kill", _)) => {}
        Some(("sleep", ms)) => std::thread::sleep(Duration::from_millis(number(ms))),
        None | Some(_) => panic!("bad failpoint `{name}={action}`: use `kill`, `kill@N` or `sleep:MS`"),
    }
}

#[cfg(all(feature = "failpoints", unix))]
fn kill() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    if kill(Pid::this(), Signal::SIGKILL).is_ok() {
        // Blocked or not, SIGKILL comes; nothing may happen after this point.
        std::thread::park();
    }
}

#[cfg(all(feature = "failpoints", not(unix)))]
fn kill() {
    std::process::abort();
}
