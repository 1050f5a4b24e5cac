//! Entries in systemd's journal, by its native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>): fields in one
//! datagram or, where that is too long, in a sealed file in memory whose descriptor is sent instead.

use crate::env;
use crate::outputs::Message;
use bog_domain::delivery::Attempted;
use bog_domain::run::Outcome;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long a journal that is behind is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Priorities of syslog.
const WARNING: &str = "4";
const INFO: &str = "6";

/// The journal's socket, where standard error leads into the journal (systemd.exec(5), `$JOURNAL_STREAM`).
pub(super) fn socket() -> Option<PathBuf> {
    #[cfg(feature = "failpoints")]
    if let Some(path) = env::var("BOG_TEST_JOURNAL") {
        return Some(path.into());
    }
    let stream = env::var("JOURNAL_STREAM")?;
    let stderr = rustix::fs::fstat(io::stderr().as_fd()).ok()?;
    (stream == format!("{}:{}", stderr.st_dev, stderr.st_ino)).then(|| SOCKET.into())
}

/// Writes an entry for a message.
pub(super) fn deliver(socket: &Path, message: &Message) -> Attempted {
    match send(socket, &entry(message)) {
        Ok(()) => Attempted::Delivered { receipt: None },
        Err(error) => Attempted::Passing { error: format!("the journal takes no entry: {error}"), retry_after: None },
    }
}

fn entry(message: &Message) -> Vec<u8> {
    let priority = if message.outcome == Outcome::Succeeded { INFO } else { WARNING };
    let mut entry = Vec::with_capacity(message.text.len() + 400);
    field(&mut entry, "MESSAGE", message.text.trim_end());
    field(&mut entry, "PRIORITY", priority);
    field(&mut entry, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
    field(&mut entry, "BOG_JOB_ID", message.job.as_str());
    field(&mut entry, "BOG_JOB_NAME", &message.job_name);
    field(&mut entry, "BOG_RUN_ID", &message.run.to_string());
    field(&mut entry, "BOG_DELIVERY_ID", &message.delivery.to_string());
    field(&mut entry, "BOG_OUTCOME", message.outcome.as_str());
    if let Some(error) = &message.error {
        field(&mut entry, "BOG_ERROR", error);
    }
    entry
}

/// The form for values of any content: the name, its length in eight bytes, the value.
fn field(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

fn send(path: &Path, entry: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect(path)?;
    match socket.send(entry) {
        Ok(_) => Ok(()),
        Err(error) if too_long(&error) => send_file(&socket, entry),
        Err(error) => Err(error),
    }
}

fn too_long(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MSGSIZE | Errno::NOBUFS))
}

fn send_file(socket: &UnixDatagram, entry: &[u8]) -> io::Result<()> {
    let mut file = File::from(rustix::fs::memfd_create("entry", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(entry)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, seals)?;
    let descriptors = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(socket, &[], &mut control, SendFlags::empty())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a field of an entry says.
    fn value(entry: &[u8], name: &str) -> String {
        let mut rest = entry;
        while !rest.is_empty() {
            let line = rest.iter().position(|byte| *byte == b'\n').unwrap();
            let length = u64::from_le_bytes(rest[line + 1..line + 9].try_into().unwrap());
            let end = line + 9 + usize::try_from(length).unwrap();
            if &rest[..line] == name.as_bytes() {
                return String::from_utf8(rest[line + 9..end].to_vec()).unwrap();
            }
            assert_eq!(rest[end], b'\n');
            rest = &rest[end + 1..];
        }
        panic!("no field `{name}`")
    }

    #[test]
    fn an_entry_holds_what_people_search_for() {
        let mut message = crate::outputs::sample::message();
        message.text = "two\nPRIORITY=0\n".to_owned();
        let entry = entry(&message);
        assert_eq!(value(&entry, "MESSAGE"), "two\nPRIORITY=0");
        assert_eq!(value(&entry, "PRIORITY"), "4");
        assert_eq!(value(&entry, "BOG_JOB_ID"), "nightly");
        assert_eq!(value(&entry, "BOG_OUTCOME"), "failed");
        assert_eq!(value(&entry, "BOG_RUN_ID"), message.run.to_string());
    }

    #[test]
    fn short_entries_are_datagrams_and_long_ones_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = UnixDatagram::bind(&path).unwrap();
        let mut datagram = vec![0; 4096];
        send(&path, b"A=b\n").unwrap();
        let length = journal.recv(&mut datagram).unwrap();
        assert_eq!(&datagram[..length], b"A=b\n");

        let long = "x".repeat(2 << 20);
        send(&path, long.as_bytes()).unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
        rustix::net::recvmsg(&journal, &mut [], &mut control, rustix::net::RecvFlags::CMSG_CLOEXEC).unwrap();
        let Some(rustix::net::RecvAncillaryMessage::ScmRights(mut files)) = control.drain().next() else {
            panic!("no file came")
        };
        let mut content = String::new();
        let mut file = File::from(files.next().unwrap());
        io::Seek::rewind(&mut file).unwrap();
        io::Read::read_to_string(&mut file, &mut content).unwrap();
        assert_eq!(content, long);
    }
}
