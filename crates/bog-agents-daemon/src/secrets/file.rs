//! A secret in a file: its text without the line end that editors put there.

use super::{Place, Secret};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use std::fs::{Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A longer file is no secret but a mistake.
pub(super) const MAX_BYTES: u64 = 64 * 1024;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Content {
    value: SecretString,
    open_to_others: bool,
}

impl Content {
    pub(super) fn secret(self, place: Place) -> Secret {
        Secret { value: self.value, place, open_to_others: self.open_to_others }
    }
}

/// Reads a file; `None` where there is none. What is the matter with it follows on its name.
pub(super) fn read(path: &Path) -> Result<Option<Content>, String> {
    let unreadable = |error: std::io::Error| {
        format!("cannot be read: {error}; make it readable for the user that the daemon runs as")
    };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if metadata.is_dir() {
        return Err("is a folder: name a file in it".to_owned());
    }
    // A pipe would give its content once, and until then nothing at all.
    if !metadata.is_file() {
        return Err("is no regular file: name one".to_owned());
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::fcntl::OFlag::O_NONBLOCK.bits());
    let mut bytes = Zeroizing::new(Vec::new());
    let read = options.open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    read.map_err(unreadable)?;
    Ok(Some(Content { value: text(&bytes)?, open_to_others: open_to_others(&metadata) }))
}

/// The bytes as a secret, without the last line end. What is the matter with them follows on where they were found.
pub(super) fn text(bytes: &[u8]) -> Result<SecretString, String> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("is larger than {} KiB: that is no secret", MAX_BYTES / 1024));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err("is not UTF-8 text: store it as text, for example base64".to_owned());
    };
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err("is empty: write the secret into it".to_owned());
    }
    if text.contains('\0') {
        return Err("holds a NUL byte, which no variable can: store it as text, for example base64".to_owned());
    }
    Ok(text.into())
}

#[cfg(unix)]
fn open_to_others(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o007 != 0
}

#[cfg(not(unix))]
fn open_to_others(_metadata: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_line_end_is_cut_and_nothing_else() {
        for (bytes, value) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            (" a\nb \r", " a\nb \r"),
        ] {
            assert_eq!(text(bytes.as_bytes()).unwrap().expose_secret(), value, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let most = usize::try_from(MAX_BYTES).unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let problem = |path: &Path| read(path).unwrap_err();
        let problems = [
            problem(folder.path()),
            problem(&fifo),
            problem(&file("empty", b"\n")),
            problem(&file("binary", b"\xff\xfe12345678")),
            problem(&file("nul", b"1234\x005678")),
            problem(&file("large", &vec![b'x'; most + 1])),
        ];
        insta::assert_snapshot!(problems.join("\n"), @r"
        is a folder: name a file in it
        is no regular file: name one
        is empty: write the secret into it
        is not UTF-8 text: store it as text, for example base64
        holds a NUL byte, which no variable can: store it as text, for example base64
        is larger than 64 KiB: that is no secret
        ");
        assert!(read(&folder.path().join("missing")).unwrap().is_none());
        assert!(read(&file("beneath", b"x").join("missing")).unwrap().is_none());
        assert_eq!(read(&file("most", &vec![b'x'; most])).unwrap().unwrap().value.expose_secret().len(), most);
    }

    #[test]
    fn a_file_that_others_may_read_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2hunter2").unwrap();
        for (mode, open) in [(0o600, false), (0o640, false), (0o644, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).unwrap().unwrap().open_to_others, open, "{mode:o}");
        }
    }
}
