//! The kernels that virtual machines boot: Debian's own, out of their packages, with nothing installed.
//!
//! apt works in a folder of ours, so that this needs no rights, and neither sees nor changes what the system knows of
//! packages. It still uses the mirror that the system uses, and Debian's keys.

use super::said;
use anyhow::{Context as _, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Depends on the newest kernel without drivers for real hardware.
const META_PACKAGE: &str = "linux-image-cloud-amd64";
/// Debian's own keys, wherever the system's sources say they are.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A kernel on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its file.
    pub image: PathBuf,
    /// What the package calls it: `6.12.95+deb12-cloud-amd64`.
    pub release: String,
}

/// Which kernel a machine is to boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest that Debian has for this release: the one of its backports, as a rule.
    Newest,
    /// The one that this release of Debian came with.
    Stock,
}

/// The newest kernel and the release's own, downloaded into `cache` where they are not there yet.
pub struct Kernels {
    newest: Kernel,
    stock: Kernel,
}

impl Kernels {
    /// Finds them in `cache`, or downloads them.
    ///
    /// # Errors
    /// When this is no Debian system, or the packages cannot be had.
    pub fn get(cache: &Path) -> Result<Self> {
        let list = cache.join("list");
        let packages = match fs::read_to_string(&list) {
            Ok(text) => text,
            Err(_) => {
                let text = download(&cache.join("apt"), cache)?;
                fs::write(&list, &text)?;
                text
            }
        };
        let packages: Vec<&str> = packages.lines().collect();
        let [newest, .., stock] = packages.as_slice() else {
            let [only] = packages.as_slice() else { bail!("`{}` is empty; remove it", list.display()) };
            return Ok(Self { newest: unpacked(cache, only)?, stock: unpacked(cache, only)? });
        };
        Ok(Self { newest: unpacked(cache, newest)?, stock: unpacked(cache, stock)? })
    }

    /// The one that is wanted.
    pub fn pick(&self, wanted: Wanted) -> &Kernel {
        match wanted {
            Wanted::Newest => &self.newest,
            Wanted::Stock => &self.stock,
        }
    }
}

/// Downloads and unpacks the kernels' packages; returns their names, the newest first, one a line.
fn download(apt: &Path, cache: &Path) -> Result<String> {
    for folder in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(apt.join(folder))?;
    }
    let (mirror, release) = mirror()?;
    let sources = format!(
        "Types: deb\nURIs: {mirror}\nSuites: {release} {release}-backports\nComponents: main\nSigned-By: {KEYS}\n"
    );
    fs::write(apt.join("debian.sources"), sources)?;
    eprintln!("    downloading Debian's kernels");
    said(private(apt, "apt-get").args(["--quiet=2", "update"]))?;
    let packages = kernel_packages(&said(private(apt, "apt-cache").args(["show", META_PACKAGE]))?);
    if packages.is_empty() {
        bail!("`{META_PACKAGE}` at {mirror} names no kernel");
    }
    for package in &packages {
        said(private(apt, "apt-get").args(["--quiet=2", "download", package]).current_dir(apt.join("archives")))?;
    }
    for archive in fs::read_dir(apt.join("archives"))? {
        let archive = archive?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            said(Command::new("dpkg").arg("-x").arg(&archive).arg(cache))?;
            fs::remove_file(&archive)?;
        }
    }
    // Tens of megabytes of drivers and lists that nobody asks for again.
    fs::remove_dir_all(cache.join("lib/modules")).or_else(|_| fs::remove_dir_all(cache.join("usr/lib/modules")))?;
    fs::remove_dir_all(apt)?;
    Ok(packages.join("\n"))
}

/// `apt-get` or `apt-cache` on lists and sources of ours alone.
fn private(apt: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    let path = |name: &str| apt.join(name).display().to_string();
    for (option, value) in [
        ("Dir::Etc::SourceList", path("debian.sources")),
        ("Dir::Etc::SourceParts", "/dev/null".to_owned()),
        ("Dir::Etc::Preferences", "/dev/null".to_owned()),
        ("Dir::Etc::PreferencesParts", "/dev/null".to_owned()),
        ("Dir::State::Lists", path("lists")),
        ("Dir::Cache", path("")),
        ("APT::Architecture", "amd64".to_owned()),
        // The user whom apt becomes where it is root may not enter our folder.
        ("APT::Sandbox::User", "root".to_owned()),
    ] {
        command.arg("-o").arg(format!("{option}={value}"));
    }
    command
}

/// Where the system gets Debian from, and which release it is.
fn mirror() -> Result<(String, String)> {
    let about = fs::read_to_string("/etc/os-release").context("`/etc/os-release` cannot be read")?;
    let release = about.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    let release = release.context("`/etc/os-release` has no `VERSION_CODENAME`")?.trim_matches('"').to_owned();
    let format = "$(CREATED_BY) $(RELEASE) $(COMPONENT) $(SITE)";
    let targets = said(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    let site = targets.lines().find_map(|line| line.strip_prefix(&format!("Packages {release} main ")));
    let site = site.with_context(|| format!("apt's sources do not name the component `main` of `{release}`"))?;
    Ok((site.to_owned(), release))
}

/// The packages that the versions of the meta package depend on, as `apt-cache show` lists them: the newest first.
fn kernel_packages(shown: &str) -> Vec<String> {
    let depends = shown.lines().filter_map(|line| line.strip_prefix("Depends: "));
    depends.filter_map(|depends| Some(depends.split_whitespace().next()?.to_owned())).collect()
}

fn unpacked(cache: &Path, package: &str) -> Result<Kernel> {
    let release = package.trim_start_matches("linux-image-").to_owned();
    let image = cache.join("boot").join(format!("vmlinuz-{release}"));
    if !image.exists() {
        bail!("`{}` is missing; remove `{}`, so that it is downloaded again", image.display(), cache.display());
    }
    Ok(Kernel { image, release })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_found_in_what_apt_shows() {
        let shown = "Package: linux-image-cloud-amd64\nVersion: 6.12.1\nDepends: linux-image-6.12-cloud-amd64 (= 6.12.1)\n\n\
                     Package: linux-image-cloud-amd64\nDepends: linux-image-6.1-cloud-amd64 (= 6.1.2), other\n";
        assert_eq!(kernel_packages(shown), ["linux-image-6.12-cloud-amd64", "linux-image-6.1-cloud-amd64"]);
        assert_eq!(kernel_packages("Package: x\nVersion: 1\n"), Vec::<String>::new());
    }
}
