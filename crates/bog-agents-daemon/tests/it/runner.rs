//! Attempts on the real binary: how they end, and that nothing of them is left.

pub mod attempt;
mod containment;
mod cost;
mod ending;
mod init;
mod network;
mod output;
mod recovery;
mod starting;
mod tree;
mod usage;

use nix::unistd::geteuid;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    let tests = ["runner::", "--skip=cost", "--skip=a_hundred"];
    as_ordinary_user(&tests, "runner::containment::what_held_is_recorded");
}

/// Runs tests once more as an ordinary user, `one` among them. Root, as whom tests run in containers, needs no user
/// namespace and may read everything. Whoever is no root is one already.
pub fn as_ordinary_user(tests: &[&str], one: &str) {
    if !geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("open to others");
    let (these, program) = (folder.path().join("it"), folder.path().join("bog-agents-daemon"));
    fs::copy(std::env::current_exe().expect("this program"), &these).expect("copied");
    fs::copy(crate::support::PROGRAM, &program).expect("copied");
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(&these)
        .args(tests)
        .arg("--test-threads=2")
        .env(attempt::PROGRAM_VARIABLE, &program)
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("setpriv");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("\ntest result: ok. "), "{said}");
    assert!(said.contains(&format!("\ntest {one} ... ok\n")), "{said}");
}
