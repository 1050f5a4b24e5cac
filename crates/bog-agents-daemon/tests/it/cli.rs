//! The command line: without a daemon, with one, and against answers no daemon gives.

mod offline;
mod online;
mod stranger;

use crate::support::Home;
use std::io::Write;
use std::process::{Output, Stdio};

/// What a command came to, with the home's path made the same everywhere.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(home: &Home, output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(home.path().to_str().unwrap(), "HOME");
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same as one text, for snapshots.
    fn whole(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command line in a home, with nothing from outside that could change what it says.
fn cli(home: &Home, arguments: &[&str]) -> Said {
    cli_with(home, arguments, &[], "")
}

/// The same with variables and something on standard input.
fn cli_with(home: &Home, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Said {
    let mut command = home.command();
    for name in ["BOG_DAEMON_URL", "BOG_DAEMON_TOKEN", "NO_COLOR", "VISUAL", "EDITOR"] {
        command.env_remove(name);
    }
    command.current_dir(home.path()).args(arguments).envs(variables.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may be gone before it is told.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Said::of(home, child.wait_with_output().unwrap())
}
