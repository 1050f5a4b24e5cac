//! Descriptors that this process was given without asking: whoever started the daemon may have left files open, and every
//! child would have them, the agent too. And the three that every program has.

use nix::fcntl::OFlag;
use nix::unistd::{close, dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::fs::fstat;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// Closes every descriptor but 0, 1 and 2 that the next program would inherit. What this program opened itself closes on
/// exec and stays.
///
/// # Errors
/// Where they cannot be listed.
pub fn close_inherited() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")?.flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        if number > 2 && !closes_on_exec(number) {
            // It may be gone already: then there is nothing to close.
            let _ = close(number);
        }
    }
    Ok(())
}

fn closes_on_exec(number: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| i32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok());
    flags.is_some_and(|flags| OFlag::from_bits_retain(flags).contains(OFlag::O_CLOEXEC))
}

/// Opens `/dev/null` anew for those of 0, 1 and 2 that are it. What was opened in the host's root is a way back to the
/// host's device, whose permissions its owner, root, could change through it.
///
/// # Errors
/// What the system says.
pub fn renew_null() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let device = null.metadata()?.rdev();
    let is_null = |standard: &dyn AsFd| fstat(standard.as_fd()).is_ok_and(|status| status.st_rdev == device);
    if is_null(&io::stdin()) {
        dup2_stdin(&null)?;
    }
    if is_null(&io::stdout()) {
        dup2_stdout(&null)?;
    }
    if is_null(&io::stderr()) {
        dup2_stderr(&null)?;
    }
    Ok(())
}
