//! Reading and writing job files so that a crash at any instant leaves the old text or the new one, never half of one.

use crate::store::FileState;
use bog_domain::spec::yaml::MAX_JOB_BYTES;
use sha2::{Digest, Sha256};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use super::edit::set_enabled;

/// A file changed this recently may change again without its times showing it.
const RACY: Duration = Duration::from_secs(2);

/// How often a file that changes while it is read is read again.
const READ_ATTEMPTS: usize = 20;

/// Writes a file durably: a temporary file beside it, synced, renamed over it, and the folder synced. 0600 from its
/// first byte.
///
/// # Errors
/// When any step fails; then the old text stands.
pub fn write_durably(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    replace(path, |temporary| write_new(temporary, text)?.sync_all())?;
    File::open(folder)?.sync_all()
}

/// Writes a file so that this process dying leaves the old text or the new one; a power cut may leave neither.
///
/// # Errors
/// When any step fails; then the old text stands.
pub fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    replace(path, |temporary| write_new(temporary, text).map(drop))
}

fn replace(path: &Path, write: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary_beside(path);
    let written = write(&temporary).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of it is of no use to anyone; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, text: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Hidden, so that neither the loader nor a glob of a person takes it for a job; of this process, so that a CLI and a
/// daemon that write the same job do not share it.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// Makes a folder and those above it, 0700.
///
/// # Errors
/// When one cannot be made.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Reads a job file, and no more of it than a job may have. The state is that of the text returned: a file replaced
/// while it is read is read again.
///
/// # Errors
/// When it cannot be read, is no regular file, no UTF-8, or too large, or changes all the time.
pub fn read(path: &Path) -> io::Result<(String, FileState)> {
    for _ in 0..READ_ATTEMPTS {
        // Opening a pipe would wait for someone to write to it.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let file = File::open(path)?;
        let before = file.metadata()?;
        let mut bytes = Vec::new();
        file.take(MAX_JOB_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_JOB_BYTES {
            let message = format!("it is {} bytes long: a job has at most {MAX_JOB_BYTES}", before.len());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let same = fs::metadata(path).is_ok_and(|after| stamp(&after) == stamp(&before));
        if same && bytes.len() as u64 == before.len() {
            let hash = hash(&bytes);
            let text = String::from_utf8(bytes)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text: save it as UTF-8"))?;
            return Ok((text, FileState { hash, stamp: stamp(&before) }));
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "it changes faster than it can be read"))
}

/// Digest of a file's content.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A file's identity, size and times as text: the same stamp means the same content, unless the file was changed within
/// the grain of its times ([`is_racy`]).
#[must_use]
pub fn stamp(metadata: &Metadata) -> String {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    #[cfg(unix)]
    let identity = {
        use std::os::unix::fs::MetadataExt;
        format!("{}:{}.{}", metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    };
    #[cfg(not(unix))]
    let identity = String::new();
    format!("{}:{since}:{identity}", metadata.len())
}

/// Whether a file was changed so shortly before `now` that its stamp cannot be relied on yet.
#[must_use]
pub fn is_racy(metadata: &Metadata, now: jiff::Timestamp) -> bool {
    let changed = metadata.modified().ok().and_then(|at| jiff::Timestamp::try_from(at).ok());
    changed.is_none_or(|changed| now.duration_since(changed).unsigned_abs() < RACY)
}

/// The file of a job.
#[must_use]
pub fn path_of(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_private_whole_and_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), "a");
        write_durably(&path, "one").unwrap();
        write_durably(&path, "two").unwrap();
        assert_eq!(read(&path).unwrap().0, "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions()) & 0o777, 0o600);
    }

    #[test]
    fn large_and_binary_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), "a");
        fs::write(&path, vec![b'#'; 10 << 20]).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn another_content_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(folder.path(), "a");
        write_durably(&path, "one").unwrap();
        let before = read(&path).unwrap().1;
        write_durably(&path, "two").unwrap();
        assert_ne!(read(&path).unwrap().1, before);
    }
}
