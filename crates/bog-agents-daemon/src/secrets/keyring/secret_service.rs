//! The Secret Service (<https://specifications.freedesktop.org/secret-service/>), asked through libsecret's `secret-tool`.

use super::{Question, SERVICE};
use crate::env;
use std::process::ExitStatus;

const PROGRAM: &str = "secret-tool";

/// What to ask, or why it cannot be asked.
pub(super) fn question(name: &str) -> Result<Question, String> {
    let address = env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some_and(|address| !address.is_empty());
    let socket = env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| std::path::Path::new(&dir).join("bus").exists());
    if !address && !socket {
        return Err("there is no D-Bus session".to_owned());
    }
    if env::program(PROGRAM).is_none() {
        return Err(format!("`{PROGRAM}` is not installed"));
    }
    let arguments = ["lookup", "service", SERVICE, "name", name].map(str::to_owned).to_vec();
    Ok(Question { program: PROGRAM, arguments })
}

/// It says nothing where there is nothing.
pub(super) fn is_not_there(status: ExitStatus, complaint: &str) -> bool {
    status.code() == Some(1) && complaint.trim().is_empty()
}

/// It asks for the value.
pub(super) fn store_command(name: &str) -> String {
    format!("{PROGRAM} store --label={name} service {SERVICE} name {name}")
}
