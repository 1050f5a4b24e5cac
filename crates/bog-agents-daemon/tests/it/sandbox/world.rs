//! A small world to attack: a home with secrets, a data folder, folders outside; and a way to run something within.

use super::super::support::PROGRAM;
use bog_agents_daemon::sandbox::policy::{Enforcement, Policy};
use bog_domain::containment::{Containment, NetworkAccess};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// What attacks consist of.
const ATTACKS: &str = include_str!("attacks.py");
/// What an attack says that got where it wanted to.
const REACHED: &str = "reached";
/// What every program needs to start.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt"];
/// The ordinary user that root becomes: `nobody`.
const NOBODY: u32 = 65534;

/// Who runs the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    Root,
    Ordinary,
}

pub struct World {
    folder: TempDir,
    pub user: User,
    program: PathBuf,
    /// The interpreter of the attacks.
    python: PathBuf,
    pub policy: Policy,
}

/// What became of attacks, by their names.
pub type Results = BTreeMap<String, String>;

/// Runs a test as an ordinary user and, where that is possible, as root too.
pub fn as_each_user(test: impl Fn(&World)) {
    test(&World::new(User::Ordinary));
    if nix::unistd::geteuid().is_root() {
        test(&World::new(User::Root));
    }
}

impl World {
    pub fn new(user: User) -> Self {
        // Below `/tmp`, which is private in there: what is granted must come out on top of that.
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
        let base = folder.path().to_owned();
        for path in ["home/.ssh", "home/.config/cloud", "home/project", "home/.cache", "data/runs/r/work", "outside/in"]
        {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        for path in ["home/.ssh/id", "home/.config/cloud/key", "home/notes", "home/.cache/old", "data/daemon.db"] {
            fs::write(base.join(path), "secret").unwrap();
        }
        fs::write(base.join("outside/file"), "outside").unwrap();
        // The build folder may lie where others cannot go.
        let program = base.join("bog-agents-daemon");
        fs::hard_link(PROGRAM, &program).or_else(|_| fs::copy(PROGRAM, &program).map(drop)).unwrap();
        let (python, prefix) = python();
        let read = SYSTEM.into_iter().map(PathBuf::from).chain([prefix]).collect();
        let policy = Policy {
            enforcement: Enforcement::Required,
            write: vec![base.join("data/runs/r/work")],
            read,
            hidden: vec![base.join("data"), base.join("home/.ssh"), base.join("home/.config/cloud/key")],
            private: Some(base.join("data/runs/r/private")),
            home: Some(base.join("home")),
            network: NetworkAccess::None,
            ..Policy::default()
        };
        let world = Self { folder, user, program, python, policy };
        world.give(&world.path(""));
        world
    }

    /// A path within.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The working folder.
    pub fn work(&self) -> PathBuf {
        self.path("data/runs/r/work")
    }

    /// Makes a folder or file, and all below, the user's; the program stays as it is.
    pub fn give(&self, path: &Path) {
        if self.user == User::Ordinary && nix::unistd::geteuid().is_root() && path != self.program {
            lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
            let is_folder = path.symlink_metadata().unwrap().is_dir();
            for entry in is_folder.then(|| fs::read_dir(path).unwrap()).into_iter().flatten() {
                self.give(&entry.unwrap().path());
            }
        }
    }

    /// A file of the user's.
    pub fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::write(&path, text).unwrap();
        self.give(&path);
        path
    }

    /// The words that make a command this user's.
    fn becoming(&self) -> &[&str] {
        let becomes = self.user == User::Ordinary && nix::unistd::geteuid().is_root();
        if becomes { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"] } else { &[] }
    }

    /// A program on the host, as this user.
    pub fn on_host(&self, words: &[&str]) -> Command {
        let words = [self.becoming(), words].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env("HOME", self.path("home")).stdin(Stdio::null()).current_dir("/");
        command
    }

    /// A program within the sandbox, as this user.
    pub fn inside(&self, policy: &Policy, words: &[&str]) -> Command {
        self.wrapped(&[], policy, words)
    }

    /// The same, with a program and its arguments before the daemon's own.
    pub fn wrapped(&self, wrapper: &[&str], policy: &Policy, words: &[&str]) -> Command {
        let spec = json!({"policy": policy, "working_dir": policy.write[0]}).to_string();
        let mut words = [&["--"], words].concat();
        if words.len() == 1 {
            words.clear();
        }
        let own = [self.program.to_str().unwrap(), "sandbox", "run", &spec];
        self.on_host(&[wrapper, &own, &words].concat())
    }

    /// What a shell script within says; it must end well.
    pub fn shell(&self, policy: &Policy, script: &str) -> String {
        let output = self.inside(policy, &["sh", "-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the sandbox says of itself.
    pub fn containment(&self, policy: &Policy) -> Containment {
        let output = self.inside(policy, &[]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Why there is no sandbox.
    pub fn refusal(&self, policy: &Policy) -> String {
        let output = self.inside(policy, &["true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(126), "{output:?}");
        String::from_utf8(output.stderr).unwrap().replace(self.path("").to_str().unwrap(), "BASE/")
    }

    /// Attacks from within the sandbox.
    pub fn attack(&self, policy: &Policy, group: &str, targets: &Value) -> Results {
        results(self.inside(policy, &self.attacking(group, &targets.to_string())).output().unwrap())
    }

    /// The same with a program before the daemon's own.
    pub fn attack_wrapped(&self, wrapper: &[&str], policy: &Policy, group: &str, targets: &Value) -> Results {
        let targets = targets.to_string();
        results(self.wrapped(wrapper, policy, &self.attacking(group, &targets)).output().unwrap())
    }

    /// The same attacks without a sandbox, to see that they can succeed.
    pub fn attack_on_host(&self, group: &str, targets: &Value) -> Results {
        let targets = targets.to_string();
        let attacking = self.attacking(group, &targets);
        // Root's mounts stay its own.
        let own_mounts = ["unshare", "-m", "--propagation", "private", "--"];
        let wrapper = if self.user == User::Root { &own_mounts[..] } else { &[] };
        results(self.on_host(&[wrapper, &attacking].concat()).output().unwrap())
    }

    fn attacking<'a>(&'a self, group: &'a str, targets: &'a str) -> [&'a str; 6] {
        [self.python.to_str().unwrap(), "-I", "-c", ATTACKS, group, targets]
    }
}

fn results(output: Output) -> Results {
    assert!(output.status.success(), "{output:?}");
    let results: Results = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!results.is_empty(), "nothing was attacked");
    results
}

/// The interpreter and the folder of its library. The system's is preferred: everybody may run it.
fn python() -> (PathBuf, PathBuf) {
    let system = Path::new("/usr/bin/python3");
    let python = if system.exists() { system } else { Path::new("python3") };
    let script = "import sys; print(sys.executable, sys.base_prefix, sep='\\n')";
    let output = Command::new(python).args(["-I", "-c", script]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (python, prefix) = said.trim().split_once('\n').unwrap();
    (python.into(), prefix.into())
}

/// No attack may have got anywhere.
#[track_caller]
pub fn assert_refused(results: &Results) {
    let reached: Vec<_> = results.iter().filter(|(_, said)| *said == REACHED).map(|(name, _)| name).collect();
    assert!(reached.is_empty(), "attacks got through: {reached:?}\n{results:#?}");
    let broken: Vec<_> = results.iter().filter(|(_, said)| said.contains("Error:")).collect();
    assert!(broken.is_empty(), "attacks that are no attacks: {broken:?}");
}

/// Every attack got where it wanted to, but for those that a user without a sandbox cannot do either.
#[track_caller]
pub fn assert_reached(results: &Results, except: &[&str]) {
    let refused: Vec<_> =
        results.iter().filter(|(name, said)| *said != REACHED && !except.contains(&name.as_str())).collect();
    assert!(refused.is_empty(), "did not work: {refused:?}");
}
