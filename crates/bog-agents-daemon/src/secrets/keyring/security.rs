//! The keychain of macOS, asked through its `security`.

use super::{Question, SERVICE};
use crate::env;
use std::process::ExitStatus;

const PROGRAM: &str = "security";

/// `errSecItemNotFound`, as an exit code.
const NOT_FOUND: i32 = 44;

/// What to ask, or why it cannot be asked.
pub(super) fn question(name: &str) -> Result<Question, String> {
    if env::program(PROGRAM).is_none() {
        return Err(format!("`{PROGRAM}` is not on the `PATH`"));
    }
    let arguments = ["find-generic-password", "-s", SERVICE, "-a", name, "-w"].map(str::to_owned).to_vec();
    Ok(Question { program: PROGRAM, arguments })
}

/// Whether there is nothing of that name.
pub(super) fn is_not_there(status: ExitStatus, _complaint: &str) -> bool {
    status.code() == Some(NOT_FOUND)
}

/// It asks for the value.
pub(super) fn store_command(name: &str) -> String {
    format!("{PROGRAM} add-generic-password -s {SERVICE} -a {name} -w")
}
