//! The keyring of the operating system, asked through the system's own program: it knows what to do where the keyring is
//! locked, and where it hangs it is ended.

#[cfg(not(target_os = "macos"))]
mod secret_service;
#[cfg(not(target_os = "macos"))]
use secret_service as system;

#[cfg(target_os = "macos")]
mod security;
#[cfg(target_os = "macos")]
use security as system;

use super::file::{MAX_BYTES, text};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// How long a keyring may take. One that is locked asks its user, who may be away.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much of what the program complains of is shown.
const COMPLAINT_BYTES: u64 = 512;

/// Under this service the keyring holds our secrets.
const SERVICE: &str = "bog-agents-daemon";

/// What the keyring says.
#[derive(Debug)]
pub(super) enum Answer {
    /// The value.
    Found(SecretString),
    /// It has none of that name.
    NotThere,
    /// What it has is of no use.
    Unusable(String),
    /// It is not there, or does not answer.
    NotAsked(String),
}

/// The program that is asked, and its arguments.
struct Question {
    program: &'static str,
    arguments: Vec<String>,
}

/// The command by which a person stores a secret; it asks for the value.
pub(super) fn store_command(name: &str) -> String {
    system::store_command(name)
}

/// Asks for a secret.
pub(super) async fn look_up(name: &str) -> Answer {
    let question = match system::question(name) {
        Ok(question) => question,
        Err(why) => return Answer::NotAsked(why),
    };
    let program = question.program;
    match tokio::time::timeout(PATIENCE, ask(question)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::NotAsked(format!("`{program}` cannot be run: {error}")),
        Err(_) => Answer::NotAsked(format!("`{program}` did not answer within {PATIENCE:?}: is the keyring locked?")),
    }
}

async fn ask(question: Question) -> io::Result<Answer> {
    let mut child = Command::new(question.program)
        .args(question.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("no pipe to it"));
    };
    let (mut value, mut complaint) = (Zeroizing::new(Vec::new()), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(MAX_BYTES + 1), stderr.take(COMPLAINT_BYTES));
    tokio::try_join!(stdout.read_to_end(&mut value), stderr.read_to_end(&mut complaint))?;
    if value.len() as u64 > MAX_BYTES {
        // It may still be writing; it ends with `child`.
        return Ok(text(&value).map_or_else(Answer::Unusable, Answer::Found));
    }
    let status = child.wait().await?;
    Ok(judge(question.program, status, &value, &String::from_utf8_lossy(&complaint)))
}

fn judge(program: &str, status: ExitStatus, value: &[u8], complaint: &str) -> Answer {
    if status.success() {
        return text(value).map_or_else(Answer::Unusable, Answer::Found);
    }
    if system::is_not_there(status, complaint) {
        return Answer::NotThere;
    }
    let complaint = complaint.trim().lines().next().map(|line| format!(": {line}")).unwrap_or_default();
    Answer::NotAsked(format!("`{program}` ended with {status}{complaint}"))
}
