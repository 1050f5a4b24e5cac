//! Virtual machines: a kernel of Debian's and an archive of ours under QEMU, emulated, so that it needs no rights and no
//! processor's help. A machine ends with us, whatever way we end, and leaves two files: its console and its results.

use super::{Ended, wait};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A processor without `cmpxchg16b`: the emulator of QEMU 7.2 now and then damages the flags there, and the guest's
/// kernel crashes. With `rdrand`, because a kernel without a source of chance waits for one.
const PROCESSOR: &str = "qemu64,-cx16,+rdrand";
/// The kernel would count ticks of an emulated timer at its start, and panic where this machine is too busy to send them.
const NO_CHECK: &str = "no_timer_check";
/// Enough for the archive twice, and for the tests.
const MEMORY_MIB: &str = "2048";

/// What a machine is made of.
pub struct Machine<'a> {
    /// The kernel's file.
    pub kernel: &'a Path,
    /// The archive that becomes its root.
    pub initramfs: &'a Path,
    /// What its kernel is told besides.
    pub options: &'a str,
    /// Where its two files go.
    pub folder: &'a Path,
}

impl Machine<'_> {
    /// Runs it until it turns itself off.
    ///
    /// # Errors
    /// When QEMU cannot be started, or leaves no results.
    pub fn run(&self) -> Result<Ended> {
        let (console, results) = (self.folder.join("console"), self.folder.join("results"));
        for file in [&console, &results] {
            fs::write(file, "")?;
        }
        let serial = |file: &Path| format!("file:{}", file.display());
        // Nothing is left of it should we be killed.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-machine", "q35", "-accel", "tcg,thread=multi", "-smp", "2"])
            .args(["-cpu", PROCESSOR, "-m", MEMORY_MIB])
            .args(["-serial", &serial(&console), "-serial", &serial(&results)])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", &format!("console=ttyS0 quiet panic=-1 {NO_CHECK} {}", self.options)]);
        let child = command.stdin(Stdio::null()).spawn().context("`qemu-system-x86_64` could not be started")?;
        let how = wait(child)?;
        let read = |file: &Path| Ok::<_, std::io::Error>(String::from_utf8_lossy(&fs::read(file)?).replace('\r', ""));
        Ok(Ended { how, results: read(&results)?, console: read(&console)? })
    }
}
