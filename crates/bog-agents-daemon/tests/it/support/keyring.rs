//! A keyring of a test's own: GNOME's on a private session bus, which starts nothing by itself. Gone with the value.

use super::eventually;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A bus and the keyring on it.
pub struct Keyring {
    folder: PathBuf,
    children: Vec<Child>,
}

impl Keyring {
    /// Starts both within `folder`.
    pub fn start(folder: &Path) -> Self {
        let mut keyring = Self::locked(folder);
        let mut child = keyring
            .command("gnome-keyring-daemon")
            .args(["--foreground", "--components=secrets", "--unlock"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"password of the keyring").unwrap();
        keyring.children.push(child);
        eventually("the keyring takes secrets", || keyring.store("READY", "ready"));
        keyring
    }

    /// Starts the bus alone: no keyring answers on it.
    pub fn locked(folder: &Path) -> Self {
        let folder = folder.join("keyring");
        std::fs::create_dir(&folder).unwrap();
        let socket = folder.join("bus");
        let config = folder.join("bus.conf");
        let text = format!(
            "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN' \
             'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>\n\
             <busconfig><type>session</type><listen>unix:path={}</listen><policy context='default'>\
             <allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy></busconfig>",
            socket.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut keyring = Self { folder, children: Vec::new() };
        let mut bus = keyring.command("dbus-daemon");
        bus.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        keyring.children.push(bus.spawn().unwrap());
        eventually("the bus listens", || socket.exists());
        keyring
    }

    /// What a program needs to find it.
    pub fn address(&self) -> String {
        format!("unix:path={}", self.folder.join("bus").display())
    }

    /// Stores a secret as the documentation says.
    pub fn store(&self, name: &str, value: &str) -> bool {
        let words = format!("store --label={name} service bog-agents-daemon name {name}");
        let mut child = self.command("secret-tool").args(words.split(' ')).stdin(Stdio::piped()).spawn().unwrap();
        // It may have ended already, where nobody answers.
        let _ = child.stdin.take().unwrap().write_all(value.as_bytes());
        child.wait().unwrap().success()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", &self.folder)
            .env("XDG_DATA_HOME", &self.folder)
            .env("XDG_RUNTIME_DIR", &self.folder)
            .env("DBUS_SESSION_BUS_ADDRESS", self.address())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
