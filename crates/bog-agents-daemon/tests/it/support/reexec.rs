//! Runs one test of this binary in a process of its own: to be killed, as another user, or in another mount namespace.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a child test is told; a child test without it does nothing.
const ARGUMENT: &str = "BOG_TEST_ARGUMENT";

/// The ordinary user that root becomes for tests that root would pass without trying: `nobody`.
const NOBODY: &str = "65534";

/// What this child test was told, if it is one.
pub fn argument() -> Option<String> {
    bog_agents_daemon::env::var(ARGUMENT)
}

/// This binary, to run only this test.
pub fn this(test: &str, argument: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    add_test(&mut command, test, argument);
    command
}

fn add_test(command: &mut Command, test: &str, argument: &Path) {
    command.args(["--exact", "--nocapture", "--test-threads=1", test]).env(ARGUMENT, argument).stdin(Stdio::null());
}

/// Runs a child test to its end, which must be good, and returns what it said.
pub fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "the child test was not run: {said}");
    said
}

/// Runs a child test inside of a program: `unshare` or `setpriv` with their arguments.
pub fn inside(wrapper: &[&str], test: &str, argument: &Path) -> String {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(std::env::current_exe().unwrap());
    add_test(&mut command, test, argument);
    output(command)
}

/// As [`inside`], with something to read on standard input.
pub fn inside_with(wrapper: &[&str], test: &str, argument: &Path, stdin: impl Into<Stdio>) -> String {
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(std::env::current_exe().unwrap());
    add_test(&mut command, test, argument);
    command.stdin(stdin);
    output(command)
}

/// Runs a child test as a user to whom permissions apply. Its binary and the argument's folder are made reachable first.
pub fn as_ordinary_user(test: &str, argument: &Path) -> String {
    if !nix::unistd::geteuid().is_root() {
        return output(this(test, argument));
    }
    let folder = tempfile::tempdir().unwrap();
    let exe: PathBuf = folder.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    let to_nobody = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
    command.args(to_nobody.map(OsStr::new)).arg(&exe).current_dir(folder.path());
    add_test(&mut command, test, argument);
    output(command)
}

/// Starts a child, kills it once it has said this many lines that begin so, and returns what followed the beginning in
/// every such line it got out.
pub fn kill_after(mut command: Command, beginning: &str, lines: usize) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    let mut line = String::new();
    while said.len() < lines && stdout.read_line(&mut line).unwrap() > 0 {
        said.extend(line.trim_end().strip_prefix(beginning).map(str::to_owned));
        line.clear();
    }
    child.kill().unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    child.wait().unwrap();
    // The last line may be torn.
    let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
    said.extend(whole.lines().filter_map(|line| line.strip_prefix(beginning)).map(str::to_owned));
    said
}
