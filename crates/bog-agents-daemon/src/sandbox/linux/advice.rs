//! What can be done about a mechanism that this machine does not give.

use bog_domain::containment::Mechanism;

/// Settings that keep ordinary users from making user namespaces: the file, the value that does so, and the cure.
const USER_NAMESPACES: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "allow it with `sudo sysctl kernel.unprivileged_userns_clone=1`"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "allow it with `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or give this program an AppArmor \
         profile with `userns,`",
    ),
    ("user/max_user_namespaces", "0", "allow it with `sudo sysctl user.max_user_namespaces=15000`"),
];

const IN_A_CONTAINER: &str =
    "in a container, start it with a seccomp profile that allows `unshare` and `mount`, or run the daemon outside";
const COVERED_PROC: &str = "in a container, start it with a seccomp profile that allows `unshare` and `mount` and with \
                            `/proc` uncovered (docker: `--security-opt systempaths=unconfined`, podman: \
                            `--security-opt unmask=ALL`), or run the daemon outside";
const NEWER_KERNEL: &str = "start a kernel of version 6.2 or newer";
const ENABLE_LANDLOCK: &str =
    "add `landlock` to the kernel's `lsm=` parameter (`cat /sys/kernel/security/lsm` shows what is on)";
const FILTERS: &str = "start a kernel with `CONFIG_SECCOMP_FILTER`, on x86_64 or aarch64";

/// What to do, as a phrase.
pub fn advice(mechanism: Mechanism, errno: i32) -> &'static str {
    advise(mechanism, errno, |name| std::fs::read_to_string(format!("/proc/sys/{name}")).ok())
}

fn advise(mechanism: Mechanism, errno: i32, setting: impl Fn(&str) -> Option<String>) -> &'static str {
    match mechanism {
        Mechanism::UserNamespace => {
            let bars = |(name, value, _): &&(&str, &str, &str)| setting(name).is_some_and(|text| text.trim() == *value);
            USER_NAMESPACES.iter().find(bars).map_or(IN_A_CONTAINER, |(_, _, cure)| cure)
        }
        Mechanism::PidNamespace => COVERED_PROC,
        Mechanism::MountNamespace | Mechanism::IpcNamespace | Mechanism::NetworkNamespace => IN_A_CONTAINER,
        Mechanism::Landlock if errno == nix::libc::ENOSYS => NEWER_KERNEL,
        Mechanism::Landlock => ENABLE_LANDLOCK,
        Mechanism::Seccomp => FILTERS,
        Mechanism::NoNewPrivs | Mechanism::NoCapabilities | Mechanism::Cgroup => NEWER_KERNEL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_that_bars_a_user_namespace_is_named() {
        let with = |name: &'static str, value: &'static str| {
            advise(Mechanism::UserNamespace, nix::libc::EPERM, move |asked| {
                Some(if asked == name { value.to_owned() } else { "2\n".to_owned() })
            })
        };
        assert!(with("kernel/unprivileged_userns_clone", "0\n").contains("unprivileged_userns_clone=1"));
        assert!(with("kernel/apparmor_restrict_unprivileged_userns", "1\n").contains("AppArmor"));
        assert!(with("user/max_user_namespaces", "0\n").contains("max_user_namespaces="));
        assert_eq!(with("none", ""), IN_A_CONTAINER);
    }

    #[test]
    fn landlock_may_be_missing_or_off() {
        assert_eq!(advise(Mechanism::Landlock, nix::libc::ENOSYS, |_| None), NEWER_KERNEL);
        assert_eq!(advise(Mechanism::Landlock, nix::libc::EOPNOTSUPP, |_| None), ENABLE_LANDLOCK);
    }
}
