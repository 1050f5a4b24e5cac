//! The files of a guest: a small Debian of copies from this system, with the program under test and its tests.
//!
//! Packages say which files belong together, and the loader which libraries those need; both are this system's own, so
//! that what was built here runs there.

use super::{Built, said};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What tests start, and a system manager. The interpreter of Python comes on top, under the names that this release has.
const PACKAGES: &[&str] =
    &["coreutils", "dash", "findutils", "grep", "mount", "procps", "sed", "systemd", "util-linux"];

/// Programs that do without the rest of their packages.
const ALONE: &[&str] = &["busybox", "git"];

/// Raised whenever a tree that was made before would not do any more.
const EDITION: u32 = 3;

/// Our own files in it: the way from boot to tests. All are executable.
const SCRIPTS: &[(&str, &str)] = &[
    ("init", include_str!("init.sh")),
    ("bog/boot", include_str!("boot.sh")),
    ("etc/systemd/system/bog-boot@.service", include_str!("bog-boot@.service")),
];

/// Users, as the tests expect them.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n\
                      nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
const GROUP: &str = "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n";

/// The root folder of a guest, brought up to date with the system and with `built`; `boots` holds a script per boot.
///
/// # Errors
/// When a package is not installed, or a file cannot be copied.
pub fn prepare(root: &Path, built: &Built, boots: &[(&str, String)]) -> Result<()> {
    base(root)?;
    for (name, text) in SCRIPTS {
        executable(&root.join(name), text)?;
    }
    for (name, text) in boots {
        executable(&root.join("bog/boots").join(name), text)?;
    }
    // The tests know the daemon by the path it was built at.
    let daemon = root.join(built.daemon.strip_prefix("/")?);
    stripped(&built.daemon, &daemon)?;
    stripped(&built.it, &root.join("bog/it"))?;
    libraries(root, &[daemon, root.join("bog/it")])
}

/// The tree as the kernel takes it: an archive in the format `newc`, everything owned by root.
///
/// # Errors
/// When `find` or `cpio` fail.
pub fn archive(root: &Path, file: &Path) -> Result<()> {
    let mut find = Command::new("find").args([".", "-print0"]).current_dir(root).stdout(Stdio::piped()).spawn()?;
    let names = find.stdout.take().context("`find` has no output")?;
    let options = ["--quiet", "--null", "--create", "--format=newc", "--owner=0:0"];
    let mut cpio = Command::new("cpio");
    let packed = cpio.args(options).current_dir(root).stdin(names).stdout(File::create(file)?).status()?;
    if !find.wait()?.success() || !packed.success() {
        bail!("`{}` could not be packed with `cpio`", root.display());
    }
    Ok(())
}

/// Everything that does not change between two builds; made once, and again when a package changed.
fn base(root: &Path) -> Result<()> {
    let packages = packages()?;
    let versions = said(Command::new("dpkg-query").args(["-W"]).args(&packages))?;
    let made_from = format!("edition {EDITION}\n{versions}");
    let stamp = root.with_extension("made-from");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == made_from) {
        return Ok(());
    }
    if root.exists() {
        fs::remove_dir_all(root)?;
    }
    for folder in ["boot", "dev", "proc", "sys", "run", "tmp", "root", "home/user", "var/tmp", "etc", "usr/bin", "bog"]
    {
        fs::create_dir_all(root.join(folder))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(name))?;
        symlink(format!("usr/{name}"), root.join(name))?;
    }
    for (name, text) in
        [("passwd", PASSWD), ("group", GROUP), ("hosts", HOSTS), ("machine-id", ""), ("hostname", "guest\n")]
    {
        fs::write(root.join("etc").join(name), text)?;
    }
    fs::copy("/usr/lib/os-release", root.join("usr/lib/os-release"))?;
    let listed = said(Command::new("dpkg").arg("-L").args(&packages))?;
    let mut programs = Vec::new();
    for file in listed.lines().filter(|file| !file.starts_with("/usr/share/") && !file.starts_with("/etc/")) {
        let copy = copied(root, Path::new(file))?;
        programs.extend(copy.filter(|copy| is_elf(copy)));
    }
    for name in ALONE {
        programs.extend(copied(root, &on_path(name)?)?);
    }
    libraries(root, &programs)?;
    fs::write(stamp, made_from)?;
    Ok(())
}

/// [`PACKAGES`] and those of the interpreter that `/usr/bin/python3` is.
fn packages() -> Result<Vec<String>> {
    let interpreter = fs::canonicalize("/usr/bin/python3").context("`/usr/bin/python3` is missing")?;
    let name = interpreter.file_name().unwrap_or_default().display().to_string();
    let python = ["python3-minimal".to_owned(), format!("{name}-minimal")];
    let libraries = [format!("lib{name}-minimal"), format!("lib{name}-stdlib")];
    Ok(PACKAGES.iter().map(|package| (*package).to_owned()).chain(python).chain(libraries).collect())
}

fn on_path(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.with_context(|| format!("`{name}` is not on `PATH`"))
}

/// Copies a file or a link to the same place below `root`; the copy, where it is a file. With a module of Python comes
/// what the interpreter made of it: compiling it anew takes an emulated processor long.
fn copied(root: &Path, file: &Path) -> Result<Option<PathBuf>> {
    let Ok(meta) = file.symlink_metadata() else { return Ok(None) };
    let copy = root.join(file.strip_prefix("/")?);
    if meta.is_dir() || copy.symlink_metadata().is_ok() {
        return Ok(None);
    }
    let folder = copy.parent().context("no folder")?;
    fs::create_dir_all(folder)?;
    if meta.is_symlink() {
        symlink(fs::read_link(file)?, &copy)?;
        return Ok(None);
    }
    fs::copy(file, &copy).with_context(|| format!("`{}` cannot be copied", file.display()))?;
    if let (Some(stem), Some(from)) = (file.to_str().and_then(|file| file.strip_suffix(".py")), file.parent()) {
        let stem = format!("{}.", Path::new(stem).file_name().unwrap_or_default().display());
        for compiled in fs::read_dir(from.join("__pycache__")).into_iter().flatten().flatten() {
            if compiled.file_name().to_string_lossy().starts_with(&stem) {
                fs::create_dir_all(folder.join("__pycache__"))?;
                fs::copy(compiled.path(), folder.join("__pycache__").join(compiled.file_name()))?;
            }
        }
    }
    Ok(Some(copy))
}

fn is_elf(file: &Path) -> bool {
    let mut magic = [0; 4];
    File::open(file).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic)).is_ok()
        && magic == *b"\x7fELF"
}

/// Copies what `ldd` says that `programs` need.
fn libraries(root: &Path, programs: &[PathBuf]) -> Result<()> {
    // It ends badly where one of many files is linked statically; what it cannot find makes tests fail.
    let output = Command::new("ldd").args(programs).output().context("`ldd` could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    for library in needed(&text) {
        let folder = fs::canonicalize(library.parent().context("no folder")?)?;
        let target = root.join(folder.strip_prefix("/")?).join(library.file_name().context("no name")?);
        if !library.starts_with(root) && target.symlink_metadata().is_err() {
            fs::create_dir_all(target.parent().context("no folder")?)?;
            fs::copy(&library, &target).with_context(|| format!("`{}` cannot be copied", library.display()))?;
        }
    }
    Ok(())
}

/// The files in what `ldd` prints: `NAME => FILE (ADDRESS)`, or `FILE (ADDRESS)` for the loader.
fn needed(text: &str) -> BTreeSet<PathBuf> {
    let lines = text.lines().filter_map(|line| line.trim().rsplit_once(" (0x"));
    let files = lines.map(|(line, _)| line.split_once(" => ").map_or(line, |(_, file)| file));
    files.filter(|file| file.starts_with('/')).map(PathBuf::from).collect()
}

/// A copy without debug information, which is most of the file.
fn stripped(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("no folder")?)?;
    said(Command::new("strip").arg("-o").arg(to).arg(from)).map(drop)
}

fn executable(file: &Path, text: &str) -> Result<()> {
    fs::create_dir_all(file.parent().context("no folder")?)?;
    File::create(file)?.write_all(text.as_bytes())?;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o755))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_the_loader_prints() {
        let text = "/usr/bin/x:\n\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f)\n\
                    \t/lib64/ld.so (0x00007f)\n\tlibgone.so => not found\n/usr/bin/y:\n\tnot a dynamic executable\n";
        assert_eq!(needed(text), BTreeSet::from([PathBuf::from("/lib/libc.so.6"), PathBuf::from("/lib64/ld.so")]));
    }
}
