//! How programs are started: by way of another one, where whoever runs the agent has such, that holds them to less than the
//! agent itself may do.

use std::ffi::{OsStr, OsString};
use tokio::process::Command;

/// What comes before a program and its arguments: a program and arguments that become it. Empty: it is started as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Through {
    /// For what a model has started: commands, and git.
    pub tools: Vec<OsString>,
    /// For MCP servers.
    pub servers: Vec<OsString>,
}

/// A command that starts `program` by way of `through`.
#[must_use]
pub fn command(through: &[OsString], program: impl AsRef<OsStr>) -> Command {
    match through.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    }
}
