//! The `post-receive` hook (githooks(5)) that writes each push down for the daemon: put into a repository in front of the
//! one that is there, and taken out again.

use super::layout::{Layout, LayoutError};
use super::spool::{in_data_folder, in_repository, make_private};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The hook's name.
const NAME: &str = "post-receive";

/// What is appended to the name of the hook that was there before.
const BEFORE: &str = ".before-bog-agents-daemon";

/// The line by which our hook is known, of whatever version.
const MARK: &str = "# bog-agents-daemon hook";

/// The folder of ours in a repository.
pub const OWN_FOLDER: &str = "bog-agents-daemon";

/// The hook; `SPOOL` is the folder below the data folder, quoted for the shell. A file is whole and on disk before it has
/// its name. `sync FILE` is fsync where the system has that; elsewhere `sync` writes everything out.
const SCRIPT: &str = r#"#!/bin/sh
# bog-agents-daemon hook 1
# Tells bog-agents-daemon of each push, through a file, also while it does not run. Written by `bog-agents-daemon
# install-git-hook`, which takes it away again with `--remove`. The hook that was here before is called at the end.
pushed=$(cat)

tell() {
    name=push-$(date +%s%N)-$$
    {
        echo "bog-agents-daemon push 1"
        case $BOG_RUN_ID in
        "" | *[!0-9a-f-]*) ;;
        *) echo "run $BOG_RUN_ID" ;;
        esac
        printf '%s\n' "$pushed"
    } 2>/dev/null >"$1/.$name" || return 1
    sync "$1/.$name" 2>/dev/null || sync
    mv "$1/.$name" "$1/$name" || return 1
    sync "$1" 2>/dev/null || sync
}

# Whoever may not write to the data folder leaves it in the repository.
here=$(git rev-parse --git-common-dir 2>/dev/null || echo "${GIT_DIR:-.}")/bog-agents-daemon/spool
tell SPOOL || { mkdir -p "$here" && tell "$here"; } || echo "bog-agents-daemon: this push could not be noted" >&2

before=$0.before-bog-agents-daemon
[ -x "$before" ] || exit 0
printf '%s\n' "$pushed" | "$before" "$@"
"#;

/// What became of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The hook.
    pub hook: PathBuf,
    /// The one that was there before, which it calls.
    pub before: Option<PathBuf>,
    /// Whether it was there already.
    pub again: bool,
}

/// What became of the hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Gone(PathBuf),
    /// It is gone, and the one that was there before is back.
    Restored(PathBuf),
    /// There was none of ours.
    NotThere(PathBuf),
}

/// Why a hook was neither installed nor removed. The repository is as it was.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// There is no such repository.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its hooks are not its own.
    #[error(
        "the hooks of this repository are in `{0}` (`core.hooksPath`), which other repositories may share: unset that for \
         this one (`git config core.hooksPath hooks`), or do without a hook, as the daemon watches what it can read"
    )]
    Elsewhere(PathBuf),
    /// There are two hooks by others.
    #[error(
        "`{hook}` is not the hook that was installed, and `{before}` is still there from then: decide which of them is to \
         stay as `{hook}`, move the other one away, and try again"
    )]
    Replaced {
        /// The hook there is.
        hook: PathBuf,
        /// The one that was kept.
        before: PathBuf,
    },
    /// Git could not be asked.
    #[error("`git` cannot be asked where the hooks are: {0}")]
    Git(String),
    /// A file could not be read or written.
    #[error("`{path}`: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Puts the hook into a repository, for the daemon of this data folder. Blocks.
///
/// # Errors
/// When there is no such repository, or its hooks cannot be changed.
pub fn install(repository: &Path, data_dir: &Path) -> Result<Installed, HookError> {
    let layout = Layout::find(repository)?;
    let spool = in_data_folder(data_dir, &layout.common_dir);
    make_private(&spool).and_then(|()| give(&spool, data_dir)).map_err(failed(&spool))?;
    let (hook, before) = hooks(&layout)?;
    let again = is_ours(&hook)?;
    let script = SCRIPT.replace("SPOOL", &quoted(&spool));
    if hook.symlink_metadata().is_ok() && !again {
        if before.symlink_metadata().is_ok() {
            return Err(HookError::Replaced { hook, before });
        }
        fs::rename(&hook, &before).map_err(failed(&hook))?;
    }
    if let Err(error) = write_program(&hook, &script) {
        // Whatever was there goes on.
        let _ = if again { Ok(()) } else { fs::rename(&before, &hook) };
        return Err(HookError::Io { path: hook, error });
    }
    let before = before.symlink_metadata().is_ok().then_some(before);
    Ok(Installed { hook, before, again })
}

/// Takes the hook out of a repository and puts back the one that was there before. Blocks.
///
/// # Errors
/// When there is no such repository, or its hooks cannot be changed.
pub fn remove(repository: &Path, data_dir: &Path) -> Result<Removed, HookError> {
    let layout = Layout::find(repository)?;
    let (hook, before) = hooks(&layout)?;
    let (there, kept) = (hook.symlink_metadata().is_ok(), before.symlink_metadata().is_ok());
    let removed = match (is_ours(&hook)?, kept) {
        (false, true) if there => return Err(HookError::Replaced { hook, before }),
        (_, true) => {
            fs::rename(&before, &hook).map_err(failed(&hook))?;
            Removed::Restored(hook)
        }
        (true, false) => {
            fs::remove_file(&hook).map_err(failed(&hook))?;
            Removed::Gone(hook)
        }
        (false, false) => Removed::NotThere(hook),
    };
    // What is still written down there is the daemon's to read: only empty folders go.
    for folder in [in_repository(&layout.common_dir), layout.common_dir.join(OWN_FOLDER)] {
        let _ = fs::remove_dir(folder);
    }
    let _ = fs::remove_dir(in_data_folder(data_dir, &layout.common_dir));
    Ok(removed)
}

/// Whether a hook of ours is in a repository. Blocks.
#[must_use]
pub fn is_installed(layout: &Layout) -> bool {
    is_ours(&layout.common_dir.join("hooks").join(NAME)).unwrap_or(false)
}

/// The hook's file, and that of the one before it.
fn hooks(layout: &Layout) -> Result<(PathBuf, PathBuf), HookError> {
    let asked = Command::new("git")
        .args(["-c", "safe.directory=*", "--git-dir"])
        .arg(&layout.git_dir)
        .args(["rev-parse", "--git-path", "hooks"])
        .current_dir(&layout.git_dir)
        .output()
        .map_err(|error| HookError::Git(error.to_string()))?;
    if !asked.status.success() {
        return Err(HookError::Git(String::from_utf8_lossy(&asked.stderr).trim().to_owned()));
    }
    let told = String::from_utf8_lossy(&asked.stdout);
    let folder = layout.git_dir.join(told.trim_end_matches(['\n', '\r']));
    let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    if !real.starts_with(&layout.common_dir) {
        return Err(HookError::Elsewhere(folder));
    }
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    Ok((folder.join(NAME), folder.join(format!("{NAME}{BEFORE}"))))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> HookError {
    let path = path.to_owned();
    move |error| HookError::Io { path, error }
}

fn is_ours(hook: &Path) -> Result<bool, HookError> {
    match fs::read(hook) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).lines().take(3).any(|line| line.starts_with(MARK))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(hook)(error)),
    }
}

/// Gives the folders that root made to whom the data folder belongs, who is to read them.
#[cfg(unix)]
fn give(spool: &Path, data_dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let owner = data_dir.metadata()?;
    let made = spool.ancestors().take_while(|folder| *folder != data_dir);
    for folder in made {
        let now = folder.metadata()?;
        if (now.uid(), now.gid()) != (owner.uid(), owner.gid()) && nix::unistd::geteuid().is_root() {
            chown(folder, Some(owner.uid()), Some(owner.gid()))?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn give(_spool: &Path, _data_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes a program so that it is never there in part.
fn write_program(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension("bog-agents-daemon-new");
    let mut file = fs::File::create(&aside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| executable(&file)).and_then(|()| file.sync_all());
    written.and_then(|()| fs::rename(&aside, path)).inspect_err(|_| drop(fs::remove_file(&aside)))
}

#[cfg(unix)]
fn executable(file: &fs::File) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_file: &fs::File) -> io::Result<()> {
    Ok(())
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}
