//! The API token: one for the daemon, in `.token` of its data folder, readable by its owner only from the first byte.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// The header by which the command line names itself; it becomes the author of what it changes.
pub const CLIENT_HEADER: &str = "x-bog-client";

/// How the token is called where it is masked: after the variable that holds it for the command line.
pub const TOKEN: &str = "BOG_DAEMON_TOKEN";

/// The token's file.
const FILE: &str = ".token";

/// Where clients of bog-agents 0.9 look for it.
const LINK: &str = "token";

/// A shorter one was not made by us, and can be guessed.
const LEAST_LENGTH: usize = 16;

/// The token. Cheap to clone; a rotation reaches every clone at once.
#[derive(Debug, Clone)]
pub struct Token {
    dir: PathBuf,
    secret: Arc<RwLock<SecretString>>,
}

impl Token {
    /// Loads the token of a data folder, making it where there is none; whether it was made.
    ///
    /// # Errors
    /// When it can be neither read nor made, or the file holds no token.
    pub fn load_or_create(dir: &Path) -> io::Result<(Self, bool)> {
        let path = dir.join(FILE);
        let (secret, created) = match read(&path) {
            Ok(secret) => (secret, false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(dir)?,
            Err(error) => return Err(error),
        };
        link(dir)?;
        Ok((Self { dir: dir.to_owned(), secret: Arc::new(RwLock::new(secret)) }, created))
    }

    /// The token itself, for the one who may see it.
    #[must_use]
    pub fn expose(&self) -> String {
        self.secret.read().unwrap_or_else(PoisonError::into_inner).expose_secret().to_owned()
    }

    /// Whether that is the token, in a time that does not tell how much of it is right.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        let secret = self.secret.read().unwrap_or_else(PoisonError::into_inner);
        secret.expose_secret().as_bytes().ct_eq(given).into()
    }

    /// Replaces the token, on disk first. From then on the old one is refused.
    ///
    /// # Errors
    /// When the new one cannot be written; then the old one stays.
    pub fn rotate(&self) -> io::Result<()> {
        // Held over both, so that of two rotations the same one wins on disk and here.
        let mut secret = self.secret.write().unwrap_or_else(PoisonError::into_inner);
        let new = generate();
        let written = write_new(&self.dir, &new)?;
        let replaced = std::fs::rename(&written, self.dir.join(FILE)).and_then(|()| sync(&self.dir));
        if replaced.is_err() {
            // Nothing is lost when it stays: the next one is written under another name.
            let _ = std::fs::remove_file(&written);
        }
        replaced?;
        *secret = new;
        Ok(())
    }
}

fn generate() -> SecretString {
    let bytes: [u8; 32] = rand::random();
    URL_SAFE_NO_PAD.encode(bytes).into()
}

fn read(path: &Path) -> io::Result<SecretString> {
    let text = std::fs::read_to_string(path)?;
    let token = text.trim();
    if token.len() < LEAST_LENGTH || token.contains(|c: char| !c.is_ascii_graphic()) {
        let message = format!("`{}` holds no token: remove it, and the daemon makes a new one", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    keep_private(path)?;
    Ok(token.to_owned().into())
}

/// Makes the token. Whoever else makes one at the same time, both end up with the same.
fn create(dir: &Path) -> io::Result<(SecretString, bool)> {
    let (path, new) = (dir.join(FILE), generate());
    let written = write_new(dir, &new)?;
    // A link is made only where nothing is: unlike a rename it overwrites no one's token.
    let linked = std::fs::hard_link(&written, &path);
    std::fs::remove_file(&written)?;
    match linked {
        Ok(()) => sync(dir).map(|()| (new, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(&path).map(|secret| (secret, false)),
        Err(error) => Err(error),
    }
}

/// Writes a token durably under a name of its own, private from its first byte.
fn write_new(dir: &Path, secret: &SecretString) -> io::Result<PathBuf> {
    let path = dir.join(format!("{FILE}.{}", crate::clock::new_id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    let written = file.write_all(format!("{}\n", secret.expose_secret()).as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(unix)]
fn keep_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read the token: now they cannot; rotate it if they did");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn keep_private(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn link(dir: &Path) -> io::Result<()> {
    match std::os::unix::fs::symlink(FILE, dir.join(LINK)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(not(unix))]
fn link(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_is_made_once_private_and_linked() {
        let dir = tempfile::tempdir().unwrap();
        let (token, created) = Token::load_or_create(dir.path()).unwrap();
        assert!(created);
        assert_eq!(token.expose().len(), 43);
        let (again, created) = Token::load_or_create(dir.path()).unwrap();
        assert!(!created);
        assert_eq!(again.expose(), token.expose());
        assert_eq!(fs::read_to_string(dir.path().join(LINK)).unwrap().trim(), token.expose());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = dir.path().join(FILE);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            Token::load_or_create(dir.path()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_rotation_reaches_every_clone_and_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (token, _) = Token::load_or_create(dir.path()).unwrap();
        let (clone, old) = (token.clone(), token.expose());
        token.rotate().unwrap();
        assert!(!clone.is(old.as_bytes()));
        assert!(clone.is(token.expose().as_bytes()));
        let (loaded, _) = Token::load_or_create(dir.path()).unwrap();
        assert_eq!(loaded.expose(), token.expose());
    }

    #[test]
    fn a_rotation_that_fails_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (token, _) = Token::load_or_create(dir.path()).unwrap();
        let old = token.expose();
        fs::remove_dir_all(dir.path()).unwrap();
        assert!(token.rotate().is_err());
        assert!(token.is(old.as_bytes()));
    }

    #[test]
    fn debug_does_not_tell_it() {
        let dir = tempfile::tempdir().unwrap();
        let (token, _) = Token::load_or_create(dir.path()).unwrap();
        let shown = format!("{token:?}");
        assert!(!shown.contains(&token.expose()), "{shown}");
        assert!(shown.contains("REDACTED"), "{shown}");
    }

    #[test]
    fn a_damaged_file_is_said_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["", "short\n", "with a space in the middle of it"] {
            fs::write(dir.path().join(FILE), damaged).unwrap();
            let error = Token::load_or_create(dir.path()).unwrap_err().to_string();
            assert!(error.contains("holds no token: remove it"), "{error}");
            assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), damaged);
        }
    }
}
