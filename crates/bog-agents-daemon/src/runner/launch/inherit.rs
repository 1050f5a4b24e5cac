//! What the launch stage inherits from the runner besides the standard streams: ends of pipes, by their numbers.

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::unistd::{close, pipe2};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{OwnedFd, RawFd};

/// Makes a pipe: the end that is read, and the end that is written. Nobody inherits them.
///
/// # Errors
/// Where no descriptor is left.
pub fn pipe() -> io::Result<(File, File)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((File::from(reader), File::from(writer)))
}

/// Makes an end of a pipe one that whatever is started next inherits. To be dropped when it is.
///
/// # Errors
/// What the system says.
pub fn bequeath(end: File) -> io::Result<OwnedFd> {
    fcntl(&end, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(end.into())
}

/// Takes over what was inherited, so that nothing else inherits it.
///
/// # Errors
/// Where there is no such descriptor.
pub fn take_over(inherited: RawFd, how: &OpenOptions) -> io::Result<File> {
    let end = how.open(format!("/proc/self/fd/{inherited}"))?;
    close(inherited)?;
    Ok(end)
}
