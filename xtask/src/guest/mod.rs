//! Guests: small systems of our own in which the integration tests run once more, because this machine may not have what
//! they are about: control groups with controllers, a kernel without Landlock, a booted systemd.
//!
//! A boot is one start of a guest; its passes run the tests, each as one user, and are told what the guest has. This
//! builds, starts and judges; what is tested stands in `tests/it`.

mod boots;
mod kernel;
mod nspawn;
mod qemu;
mod tree;
mod verdict;

use crate::programs::{self, Program};
use crate::step::{cargo, skip};
use crate::test::TESTS;
use anyhow::{Context as _, Result, bail};
use boots::{Boot, CONTAINERS, MACHINES};
use kernel::Kernels;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// After this a guest hangs. It is several times what the slowest takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// For every guest.
const FOR_TREES: &[Program] = &[
    Program { name: "busybox", package: "busybox-static" },
    Program { name: "cpio", package: "cpio" },
    Program { name: "strip", package: "binutils" },
    Program { name: "systemctl", package: "systemd" },
];
const FOR_MACHINES: &[Program] = &[Program { name: "qemu-system-x86_64", package: "qemu-system-x86" }];
const FOR_CONTAINERS: &[Program] = &[Program { name: "systemd-nspawn", package: "systemd-container" }];

/// How a guest ended, and what it left.
struct Ended {
    /// `None` after [`PATIENCE`].
    how: Option<ExitStatus>,
    results: String,
    console: String,
}

/// Which guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Virtual machines.
    Vm,
    /// A container with systemd.
    Systemd,
}

/// All of them.
const ALL: [Kind; 2] = [Kind::Vm, Kind::Systemd];

impl Kind {
    /// What it is called on the command line.
    fn word(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::Systemd => "systemd",
        }
    }

    fn boots(self) -> &'static [Boot] {
        match self {
            Self::Vm => MACHINES,
            Self::Systemd => CONTAINERS,
        }
    }

    /// Its own name and those of its guests.
    fn names(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.word()).chain(self.boots().iter().map(|boot| boot.name))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Vm => "tests in virtual machines",
            Self::Systemd => "tests in a container with systemd",
        }
    }

    fn programs(self) -> impl Iterator<Item = &'static Program> {
        let own = match self {
            Self::Vm => FOR_MACHINES,
            Self::Systemd => FOR_CONTAINERS,
        };
        FOR_TREES.iter().chain(own)
    }

    /// Why this machine cannot have it, where nothing can be done about it here.
    ///
    /// # Errors
    /// When it could, but what it needs cannot be installed.
    fn obstacle(self) -> Result<Option<String>> {
        if !cfg!(target_arch = "x86_64") {
            return Ok(Some("they are made for x86-64 only".to_owned()));
        }
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        if !release.lines().any(|line| line == "ID=debian") || !programs::on_path("apt-get") {
            return Ok(Some("they are built from the packages of a Debian, and this is none".to_owned()));
        }
        if self == Self::Systemd
            && let Some(obstacle) = nspawn::obstacle()
        {
            return Ok(Some(obstacle));
        }
        programs::obtain(self.programs())
    }
}

/// Runs the tests in the guests of these names: those of kinds, or of single guests; all where there is none. Where this
/// machine cannot have one, a line says so, and why.
///
/// # Errors
/// When a test fails there, a guest does not end by itself, something it needs cannot be had, or there is no such name.
pub fn run(names: &[&str]) -> Result<()> {
    let known: Vec<&str> = ALL.into_iter().flat_map(Kind::names).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        bail!("`{name}` is no guest; these are: {}", known.join(" "));
    }
    let is_named = |name: &str| names.is_empty() || names.contains(&name);
    let mut possible = Vec::new();
    for kind in ALL {
        let boots: Vec<&Boot> =
            kind.boots().iter().filter(|boot| is_named(kind.word()) || is_named(boot.name)).collect();
        if boots.is_empty() {
            continue;
        }
        match kind.obstacle()? {
            None => possible.push((kind, boots)),
            Some(obstacle) => skip(kind.name(), &format!("they did not run: {obstacle}")),
        }
    }
    if possible.is_empty() {
        return Ok(());
    }
    let built = built()?;
    let folder = built.target.join("guest");
    fs::create_dir_all(&folder)?;
    // Two at a time would write the same files.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let tree = folder.join("root");
    let scripts: Vec<_> = MACHINES.iter().chain(CONTAINERS).map(|boot| (boot.name, boot.script())).collect();
    tree::prepare(&tree, &built, &scripts).context("the guests' files could not be put together")?;
    for (kind, boots) in possible {
        eprintln!("==> {}", kind.name());
        match kind {
            Kind::Vm => machines(&folder, &tree, &boots)?,
            Kind::Systemd => containers(&folder, &tree, &boots)?,
        }
    }
    Ok(())
}

/// What is tested, and where it was built.
struct Built {
    daemon: PathBuf,
    it: PathBuf,
    target: PathBuf,
}

/// Builds what is not built yet, and asks cargo where it is.
fn built() -> Result<Built> {
    let messages = said(cargo(&TESTS).args(["--quiet", "--no-run", "--message-format=json-render-diagnostics"]))?;
    let messages: Vec<Value> = messages.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let find = |name: &str, kind: &str, is_test: bool| {
        let found = messages.iter().find(|message| {
            let (target, profile) = (&message["target"], &message["profile"]);
            target["name"] == name && target["kind"][0] == kind && profile["test"] == is_test
        });
        let executable = found.and_then(|message| message["executable"].as_str());
        executable.map(PathBuf::from).with_context(|| format!("cargo did not say where it built `{name}`"))
    };
    let daemon = find("bog-agents-daemon", "bin", false)?;
    let target = daemon.ancestors().nth(2).context("the daemon was built nowhere")?.to_owned();
    Ok(Built { it: find("it", "test", true)?, daemon, target })
}

/// What a program says on its standard output; it must end well.
fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("`{program}` could not be started"))?;
    if !output.status.success() {
        bail!("`{program}` failed with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn machines(folder: &Path, tree: &Path, boots: &[&Boot]) -> Result<()> {
    let cache = folder.join("kernels");
    let kernels = Kernels::get(&cache).context("the kernels for virtual machines cannot be had")?;
    let initramfs = folder.join("initramfs");
    tree::archive(tree, &initramfs)?;
    for boot in boots {
        let machine = qemu::Machine {
            kernel: &kernels.pick(boot.kernel).image,
            initramfs: &initramfs,
            options: &boot.command_line(),
            folder: &own_folder(folder, boot)?,
        };
        check(boot, || machine.run())?;
    }
    Ok(())
}

fn containers(folder: &Path, tree: &Path, boots: &[&Boot]) -> Result<()> {
    for boot in boots {
        let own = own_folder(folder, boot)?;
        check(boot, || nspawn::run(tree, boot.name, &own))?;
    }
    Ok(())
}

fn own_folder(folder: &Path, boot: &Boot) -> Result<PathBuf> {
    let own = folder.join("boots").join(boot.name);
    fs::create_dir_all(&own)?;
    Ok(own)
}

/// Runs a boot, prints a line for each pass that is good and everything about the others.
fn check(boot: &Boot, run: impl FnOnce() -> Result<Ended>) -> Result<()> {
    let begun = Instant::now();
    let ended = run().with_context(|| format!("the guest `{}` could not be run", boot.name))?;
    let took = begun.elapsed().as_secs_f64();
    let about = verdict::about(&ended.results);
    match verdict::judge(&ended.results, boot.passes) {
        Ok(lines) if ended.how.is_some() => {
            eprintln!("    {}: {took:.1} s, {about}", boot.name);
            lines.iter().for_each(|line| eprintln!("        {line}"));
            Ok(())
        }
        Ok(_) => bail!("the guest `{}` did not turn itself off within {PATIENCE:?}", boot.name),
        Err(faults) => {
            let how = ended.how.map_or_else(|| format!("ended after {PATIENCE:?}"), |status| status.to_string());
            eprintln!("{faults}\n---- the end of the guest's console ----\n{}", last_lines(&ended.console, 60));
            bail!("tests failed in the guest `{}` ({about}; {how}): see above", boot.name)
        }
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Waits for a guest's end, or ends it after [`PATIENCE`]; `None` then.
fn wait(mut child: Child) -> Result<Option<ExitStatus>> {
    let latest = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= latest {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        sleep(Duration::from_millis(50));
    }
}
