//! Exit codes: what a script may rely on.

use crate::client::ClientError;
use crate::config::ConfigError;
use crate::daemon::{DaemonError, FolderError};
use bog_domain::error::SpecError;
use bog_domain::ids::IdError;
use std::io::ErrorKind;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is well.
    Ok,
    /// It did not work out: a run that did not succeed, a check that failed, a disk, a network.
    Failed,
    /// What was asked makes no sense.
    Usage,
    /// There is no daemon to ask.
    NotRunning,
    /// There is no such job or run.
    NotFound,
    /// It is there already, or was changed meanwhile.
    Conflict,
    /// The daemon does not accept the token.
    Denied,
}

impl Exit {
    /// Every way to end.
    pub const ALL: [Self; 7] =
        [Self::Ok, Self::Failed, Self::Usage, Self::NotRunning, Self::NotFound, Self::Conflict, Self::Denied];

    /// The number the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotRunning => 3,
            Self::NotFound => 4,
            Self::Conflict => 5,
            Self::Denied => 6,
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "all is well",
            Self::Failed => "it did not work out: a run did not succeed, a check failed, a disk or network error",
            Self::Usage => "bad input: an unknown option, a job that is not valid",
            Self::NotRunning => "the daemon is not running",
            Self::NotFound => "no such job, run, fire or delivery",
            Self::Conflict => "it exists already, was changed meanwhile, or is in a state that does not allow it",
            Self::Denied => "the daemon does not accept the token",
        }
    }

    /// What an error ends with.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        error.chain().find_map(of_cause).unwrap_or(Self::Failed)
    }
}

/// The table of exit codes for the help.
#[must_use]
pub fn help() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {}  {}", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// An error of the command line's own, with what it ends with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    exit: Exit,
    message: String,
}

/// Ends with bad input.
#[must_use]
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Failure { exit: Exit::Usage, message: message.into() }.into()
}

/// Ends with something that is not there.
#[must_use]
pub fn not_found(message: impl Into<String>) -> anyhow::Error {
    Failure { exit: Exit::NotFound, message: message.into() }.into()
}

/// Ends with something that is there already.
#[must_use]
pub fn conflict(message: impl Into<String>) -> anyhow::Error {
    Failure { exit: Exit::Conflict, message: message.into() }.into()
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Exit> {
    if let Some(failure) = cause.downcast_ref::<Failure>() {
        return Some(failure.exit);
    }
    if let Some(error) = cause.downcast_ref::<ClientError>() {
        return Some(of_client(error));
    }
    if let Some(error) = cause.downcast_ref::<DaemonError>() {
        return Some(of_daemon(error));
    }
    // Whoever read our output has gone away, as `head` does: nothing is wrong.
    let io = cause.downcast_ref::<std::io::Error>();
    if io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        return Some(Exit::Ok);
    }
    (cause.is::<SpecError>() || cause.is::<IdError>() || cause.is::<ConfigError>()).then_some(Exit::Usage)
}

fn of_client(error: &ClientError) -> Exit {
    match error {
        ClientError::NoAddress | ClientError::Refused(_) => Exit::NotRunning,
        ClientError::BadAddress { .. } => Exit::Usage,
        ClientError::NoToken { .. } | ClientError::WrongToken(_) => Exit::Denied,
        ClientError::Unexpected { .. } | ClientError::Transport { .. } => Exit::Failed,
        ClientError::Problem(problem) => match problem.status {
            400 | 413 | 422 => Exit::Usage,
            401 | 403 => Exit::Denied,
            404 => Exit::NotFound,
            409 | 412 => Exit::Conflict,
            _ => Exit::Failed,
        },
    }
}

fn of_daemon(error: &DaemonError) -> Exit {
    match error {
        DaemonError::Remote(_) | DaemonError::Config(_) => Exit::Usage,
        DaemonError::Folder(FolderError::Held { .. }) => Exit::Conflict,
        DaemonError::Folder(_)
        | DaemonError::Open(_)
        | DaemonError::Store(_)
        | DaemonError::Listen { .. }
        | DaemonError::System { .. }
        | DaemonError::WorkerEnded(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::Problem;
    use anyhow::Context as _;

    fn problem(status: u16) -> anyhow::Error {
        let (kind, title, detail) = Default::default();
        ClientError::Problem(Problem { kind, title, status, detail, field: None }).into()
    }

    #[test]
    fn codes_are_distinct_and_count_from_0() {
        let codes: Vec<_> = Exit::ALL.iter().map(|exit| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_documentation_has_every_code() {
        let page = include_str!("../../../../docs/cli.md");
        for exit in Exit::ALL {
            let row = format!("| {} | {} |\n", exit.code(), exit.meaning());
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn errors_end_with_their_code_however_deep_they_lie() {
        let deep = Err::<(), _>(problem(404)).context("the run cannot be shown").unwrap_err();
        assert_eq!(Exit::of(&deep), Exit::NotFound);
        assert_eq!(Exit::of(&problem(409)), Exit::Conflict);
        assert_eq!(Exit::of(&problem(422)), Exit::Usage);
        assert_eq!(Exit::of(&problem(503)), Exit::Failed);
        assert_eq!(Exit::of(&ClientError::NoAddress.into()), Exit::NotRunning);
        assert_eq!(Exit::of(&SpecError::new("prompt", "missing").into()), Exit::Usage);
        assert_eq!(Exit::of(&std::io::Error::from(ErrorKind::BrokenPipe).into()), Exit::Ok);
        assert_eq!(Exit::of(&std::io::Error::from(ErrorKind::StorageFull).into()), Exit::Failed);
    }
}
