//! Which system calls are refused, and when.

use super::seccomp::Sockets;
use nix::libc;

/// A system call that is refused where all tests of its arguments hold.
#[derive(Debug)]
pub struct Call {
    /// Its number on this architecture.
    pub number: i64,
    /// Tests of arguments, by their position; none: it is refused always.
    pub only_if: Vec<(u8, Test)>,
}

/// A test of the lower half of an argument.
#[derive(Debug, Clone, Copy)]
pub enum Test {
    /// It is this.
    Is(u64),
    /// It is something else.
    IsNot(u64),
    /// It has all these bits.
    Has(u64),
}

/// Newer than the C library's table; the number is the same everywhere.
const SYS_FCHMODAT2: i64 = 452;
/// As above.
const SYS_OPEN_TREE_ATTR: i64 = 467;
const S_ISUID: u64 = 0o4000;
const S_ISGID: u64 = 0o2000;
const O_CREAT: u64 = 0o100;
const O_TMPFILE: u64 = 0o20_000_000;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541C;
const CLONE_NEWTIME: u64 = 0x80;
/// Users, mounts, processes, networks, message queues, host names, control groups.
const NAMESPACES: [u64; 7] =
    [0x1000_0000, 0x0002_0000, 0x2000_0000, 0x4000_0000, 0x0800_0000, 0x0400_0000, 0x0200_0000];

const AF_UNIX: u64 = 1;
const AF_INET: u64 = 2;
const AF_INET6: u64 = 10;
const AF_NETLINK: u64 = 16;
const NETLINK_ROUTE: u64 = 0;

/// Never needed by an agent.
const ALWAYS: [i64; 41] = [
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Other namespaces, and descriptors of other processes.
    libc::SYS_setns,
    libc::SYS_pidfd_getfd,
    // Files by number instead of by path.
    libc::SYS_open_by_handle_at,
    // Keys, among them those of the user's session.
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    // Parts of the kernel with a long history of holes.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_lookup_dcookie,
    // The machine itself.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
];

fn always(number: i64) -> Call {
    Call { number, only_if: Vec::new() }
}

fn when<const N: usize>(number: i64, only_if: [(u8, Test); N]) -> Call {
    Call { number, only_if: only_if.into() }
}

/// Calls that answer «not permitted», to root or to an ordinary user.
pub fn refused(is_root: bool) -> Vec<Call> {
    let mut calls: Vec<Call> = ALWAYS.into_iter().map(always).collect();
    for flag in NAMESPACES {
        calls.push(when(libc::SYS_unshare, [(0, Test::Has(flag))]));
        calls.push(when(libc::SYS_clone, [(0, Test::Has(flag))]));
    }
    calls.push(when(libc::SYS_unshare, [(0, Test::Has(CLONE_NEWTIME))]));
    // Typing into a terminal what somebody else will then have typed.
    for request in [TIOCSTI, TIOCLINUX] {
        calls.push(when(libc::SYS_ioctl, [(1, Test::Is(request))]));
    }
    // Making a program that others run as this user. Harmless in here, but the file is there for the host's users too.
    // Folders that pass on their group have the second mark; that others run as the group of root is worse than that
    // root has none of those.
    let marks: &[u64] = if is_root { &[S_ISUID, S_ISGID] } else { &[S_ISUID] };
    calls.extend(marks.iter().flat_map(|mark| marking(*mark)));
    #[cfg(target_arch = "x86_64")]
    {
        calls.extend([libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_uselib].map(always));
        calls.extend(marks.iter().flat_map(|mark| marking_on_x86(*mark)));
    }
    calls
}

/// Making files with a mark of their mode.
fn marking(mark: u64) -> Vec<Call> {
    let mut calls = vec![
        when(libc::SYS_fchmod, [(1, Test::Has(mark))]),
        when(libc::SYS_fchmodat, [(2, Test::Has(mark))]),
        when(SYS_FCHMODAT2, [(2, Test::Has(mark))]),
        when(libc::SYS_mknodat, [(2, Test::Has(mark))]),
    ];
    for making in [O_CREAT, O_TMPFILE] {
        calls.push(when(libc::SYS_openat, [(2, Test::Has(making)), (3, Test::Has(mark))]));
    }
    calls
}

/// The same by older calls, which newer architectures do without.
#[cfg(target_arch = "x86_64")]
fn marking_on_x86(mark: u64) -> Vec<Call> {
    let mut calls = vec![
        when(libc::SYS_chmod, [(1, Test::Has(mark))]),
        when(libc::SYS_creat, [(1, Test::Has(mark))]),
        when(libc::SYS_mknod, [(1, Test::Has(mark))]),
    ];
    for making in [O_CREAT, O_TMPFILE] {
        calls.push(when(libc::SYS_open, [(1, Test::Has(making)), (2, Test::Has(mark))]));
    }
    calls
}

/// Calls that answer as if the kernel did not have them: their arguments lie in memory, where no filter sees them.
pub fn unknown() -> Vec<Call> {
    vec![always(libc::SYS_clone3), always(libc::SYS_openat2)]
}

/// Sockets that answer «no such kind of address».
pub fn sockets(allowed: Sockets) -> Vec<Call> {
    match allowed {
        Sockets::Usual => vec![
            when(libc::SYS_socket, [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK].map(|family| (0, Test::IsNot(family)))),
            // Routes and interfaces can be asked for; C libraries do so to look up names.
            when(libc::SYS_socket, [(0, Test::Is(AF_NETLINK)), (2, Test::IsNot(NETLINK_ROUTE))]),
            when(libc::SYS_socketpair, [(0, Test::IsNot(AF_UNIX))]),
        ],
        Sockets::UnixOnly => {
            [libc::SYS_socket, libc::SYS_socketpair].map(|number| when(number, [(0, Test::IsNot(AF_UNIX))])).into()
        }
    }
}
