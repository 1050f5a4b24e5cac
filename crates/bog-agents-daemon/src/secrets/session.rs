//! Sockets of the user's session. Over one of them an agent could ask for a secret, sign with a key, or have another
//! program act for it, whatever its own sandbox keeps from it.

use crate::env;
use std::path::{Path, PathBuf};

/// In `$XDG_RUNTIME_DIR`: the session bus with the keyring and the service manager on it, both by themselves too, and
/// agents for keys and containers.
const SOCKETS: [&str; 8] = ["bus", "docker.sock", "gcr", "gnupg", "keyring", "openssh_agent", "podman", "systemd"];

/// Where they are, or would be.
pub(super) fn sockets() -> Vec<PathBuf> {
    let path = |variable: &str| env::var_os(variable).map(PathBuf::from);
    let runtime = path("XDG_RUNTIME_DIR").into_iter().flat_map(|dir| SOCKETS.map(|name| dir.join(name)));
    let bus = env::var_os("DBUS_SESSION_BUS_ADDRESS").and_then(|address| address.into_string().ok());
    runtime.chain(path("SSH_AUTH_SOCK")).chain(bus.iter().flat_map(|address| in_address(address))).collect()
}

/// The paths in a D-Bus address: `unix:path=PATH,KEY=VALUE;...`
/// (<https://dbus.freedesktop.org/doc/dbus-specification.html#addresses>). Escapes stay as they are.
fn in_address(address: &str) -> impl Iterator<Item = PathBuf> {
    let of_unix = address.split(';').filter_map(|one| one.strip_prefix("unix:"));
    of_unix
        .flat_map(|keys| keys.split(','))
        .filter_map(|key| key.strip_prefix("path="))
        .map(|path| Path::new(path).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_an_address_are_found() {
        let of = |address| in_address(address).collect::<Vec<_>>();
        assert_eq!(of("unix:path=/run/user/1/bus"), [Path::new("/run/user/1/bus")]);
        let both = of("tcp:host=x,path=/no;unix:guid=1,path=/a b;unix:path=/c,guid=2;unix:abstract=/d");
        assert_eq!(both, [Path::new("/a b"), Path::new("/c")]);
        assert!(of("").is_empty());
    }
}
