"""Attacks on a sandbox, from within, with nothing but Python's own library.

    python3 -I attacks.py GROUP TARGETS

TARGETS is a JSON object that says what to attack; each group documents what it takes. Prints one JSON object: for each
attack "reached", or why not. An attack whose target is not in TARGETS is left out. Every attack but those of `work` is
meant to fail in a sandbox and, on the same machine without one, to reach its target; none of them does harm if it does.
"""

import ctypes
import errno
import json
import os
import platform
import signal
import socket
import struct
import subprocess
import sys
import threading

TIMEOUT = 5
libc = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"


class Refused(Exception):
    """It could not be done, and the system did not say so by an error of its own."""


def call(number, *arguments):
    """A system call; its result, or the system's error."""
    libc.syscall.restype = ctypes.c_long
    words = [a if isinstance(a, (bytes, ctypes.Array)) or a is None else ctypes.c_long(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def number(x86, arm):
    return x86 if X86 else arm


# --- change: TARGETS {"file": a file outside, "folder": a folder outside, "own": a folder of ours, "device": a device} ---


def append(t):
    with open(t["file"], "a") as f:
        f.write("changed")


def overwrite(t):
    os.close(os.open(t["file"], os.O_RDWR))


def truncate(t):
    os.truncate(t["file"], 0)


def create(t):
    open(t["folder"] + "/created", "w").close()


def chmod(t):
    os.chmod(t["file"], 0o777)


def chmod_folder(t):
    os.chmod(t["folder"], 0o777)


def chmod_device(t):
    os.chmod(t["device"], os.stat(t["device"]).st_mode & 0o7777)


def chmod_input(_):
    """What we were given to read was opened outside."""
    os.fchmod(0, os.fstat(0).st_mode & 0o7777)


def chown(t):
    os.chown(t["file"], os.getuid(), os.getgid())


def set_attribute(t):
    os.setxattr(t["file"], "user.attack", b"1")


def set_time(t):
    os.utime(t["file"], (1, 1))


def rename_within(t):
    os.rename(t["file"], t["folder"] + "/renamed")
    os.rename(t["folder"] + "/renamed", t["file"])


def rename_in(t):
    open(t["own"] + "/mine", "w").close()
    os.rename(t["own"] + "/mine", t["folder"] + "/mine")


def link_out(t):
    """A second name for a file outside, where it may be written."""
    os.link(t["file"], t["own"] + "/linked")


def link_in(t):
    open(t["own"] + "/mine", "w").close()
    os.link(t["own"] + "/mine", t["folder"] + "/linked")


def symlink(t):
    os.symlink("/", t["folder"] + "/symlink")


def make_folder(t):
    os.mkdir(t["folder"] + "/made")


def make_fifo(t):
    os.mkfifo(t["folder"] + "/fifo")


def make_socket(t):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(t["folder"] + "/socket")


def through_symlink(t):
    """A link of ours to a file outside is followed in our own view only."""
    os.symlink(t["file"], t["own"] + "/to-file")
    with open(t["own"] + "/to-file", "a") as f:
        f.write("changed")


def through_descriptor(t):
    """A file that may be read is opened again for writing."""
    fd = os.open(t["file"], os.O_RDONLY)
    os.close(os.open("/proc/self/fd/%d" % fd, os.O_WRONLY))


def unlink(t):
    os.unlink(t["file"])


def remove_folder(t):
    os.mkdir(t["folder"] + "/empty") if not os.path.isdir(t["folder"] + "/empty") else None
    os.rmdir(t["folder"] + "/empty")


# `unlink` comes last: the others need the file.
CHANGE = [append, overwrite, truncate, create, chmod, chmod_folder, chmod_device, chmod_input, chown, set_attribute, set_time,
          rename_within, rename_in, link_out, link_in, symlink, make_folder, make_fifo, make_socket, through_symlink,
          through_descriptor, remove_folder, unlink]

# --- see: TARGETS {"files": {name: path}, "folders": {name: path}} ---


def see(t):
    def read(path):
        with open(path, "rb") as f:
            if not f.read(1):
                raise Refused("it is empty")

    def look(path):
        if not os.listdir(path):
            raise Refused("it is empty")

    attacks = [("read " + name, lambda path=path: read(path)) for name, path in t.get("files", {}).items()]
    attacks += [("list " + name, lambda path=path: look(path)) for name, path in t.get("folders", {}).items()]
    return attacks


# --- reach: TARGETS {"pid": a process outside, "unix": a socket's path, "abstract": an abstract socket's name,
#            "tcp": a port of 127.0.0.1, "tcp6": of ::1, "udp": of 127.0.0.1} ---


def signal_process(t):
    os.kill(t["pid"], 0)


def signal_by_pidfd(t):
    signal.pidfd_send_signal(os.pidfd_open(t["pid"]), 0)


def see_process(t):
    os.stat("/proc/%d" % t["pid"])


def read_environment(t):
    with open("/proc/%d/environ" % t["pid"], "rb") as f:
        f.read()


def root_of_process(t):
    os.listdir("/proc/%d/root/" % t["pid"])


def trace(t):
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(16, t["pid"], None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(t["pid"], 0x40000000)
    libc.ptrace(17, t["pid"], None, None)


def priority(t):
    os.setpriority(os.PRIO_PROCESS, t["pid"], os.getpriority(os.PRIO_PROCESS, t["pid"]))


def limit(t):
    import resource
    resource.prlimit(t["pid"], resource.RLIMIT_CORE)


def unix(t):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT)
        s.connect(t["unix"])


def abstract(t):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT)
        s.connect("\0" + t["abstract"])


def tcp(t):
    socket.create_connection(("127.0.0.1", t["tcp"]), TIMEOUT).close()


def tcp6(t):
    socket.create_connection(("::1", t["tcp6"]), TIMEOUT).close()


def udp(t):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(TIMEOUT)
        # Connected: where nobody listens that is an error instead of silence.
        s.connect(("127.0.0.1", t["udp"]))
        s.send(b"x")
        s.recv(1)


NEEDS = {unix: "unix", abstract: "abstract", tcp: "tcp", tcp6: "tcp6", udp: "udp"}
REACH = [signal_process, signal_by_pidfd, see_process, read_environment, root_of_process, trace, priority, limit, unix,
         abstract, tcp, tcp6, udp]

# --- kernel: TARGETS {"own": a folder of ours}; and as one that is refused to everybody but the kernel's owner ---

CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET = 0x10000000, 0x00020000, 0x40000000


def unshare_user(_):
    call(number(272, 97), CLONE_NEWUSER)


def unshare_mounts(_):
    call(number(272, 97), CLONE_NEWNS)


def unshare_network(_):
    call(number(272, 97), CLONE_NEWNET)


def clone_user(_):
    pid = call(number(56, 220), CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def unshare_user_x32(_):
    if not X86:
        raise Refused("there is no second set of numbers here")
    call(0x40000000 | 272, CLONE_NEWUSER)


def join_namespace(_):
    call(number(308, 268), os.open("/proc/self/ns/net", os.O_RDONLY), 0)


def but_for(expected, attack):
    """What the kernel says to those who may, of something that makes no sense."""
    try:
        attack()
    except OSError as error:
        if error.errno != expected:
            raise


def mount(t):
    but_for(errno.ENODEV, lambda: call(number(165, 40), b"x", t["own"].encode() + b"\0", b"no-such-thing\0", 0, None))


def mount_by_steps(_):
    call(430, b"tmpfs\0", 0)


def copy_mount(_):
    call(428, -100, b"/\0", 1)


def unmount(t):
    but_for(errno.EINVAL, lambda: call(number(166, 39), t["own"].encode() + b"\0", 2))


def remount(t):
    but_for(errno.EINVAL, lambda: call(number(165, 40), None, t["own"].encode() + b"\0", None, 4096 | 32, None))


def change_root(t):
    call(number(161, 51), t["own"].encode() + b"\0")


def keyring(_):
    call(number(250, 219), 0, -2, 1)


def add_key(_):
    call(number(248, 217), b"user\0", b"attack\0", b"x", 1, -2)


def bpf(_):
    call(number(321, 280), 0, ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1) + bytes(112)), 128)


def performance_events(_):
    call(number(298, 241), ctypes.create_string_buffer(struct.pack("II", 1, 112) + bytes(104)), 0, -1, -1, 0)


def page_faults(_):
    call(number(323, 282), 1)


def io_uring(_):
    call(425, 1, ctypes.create_string_buffer(120))


def open_by_handle(t):
    handle = ctypes.create_string_buffer(struct.pack("II", 128, 0) + bytes(128))
    mount_id = ctypes.create_string_buffer(8)
    call(number(303, 264), -100, b"/usr\0", handle, mount_id, 0)
    fd = os.open("/usr", os.O_RDONLY)
    call(number(304, 265), fd, handle, os.O_RDONLY)


def steal_descriptor(_):
    call(438, os.pidfd_open(os.getpid()), 0, 0)


def raw_socket(_):
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def vsock(_):
    socket.socket(40, socket.SOCK_STREAM).close()


def crypto_socket(_):
    socket.socket(38, socket.SOCK_SEQPACKET).close()


def generic_netlink(_):
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16).close()


def set_user_id(t):
    path = t["own"] + "/setuid"
    open(path, "w").close()
    os.chmod(path, 0o4755)


def make_set_user_id(t):
    os.umask(0)
    fd = os.open(t["own"] + "/setuid-made", os.O_CREAT | os.O_WRONLY, 0o4755)
    if not os.fstat(fd).st_mode & 0o4000:
        raise Refused("the bit is not set")


def set_group_id(t):
    if os.getuid() != 0:
        raise Refused("the groups of an ordinary user are his own")
    path = t["own"] + "/setgid"
    open(path, "w").close()
    os.chmod(path, 0o2755)


def type_into_terminal(_):
    import fcntl
    import pty
    _, terminal = pty.openpty()
    os.setsid() if os.getsid(0) != os.getpid() and os.getpgid(0) != os.getpid() else None
    fcntl.ioctl(terminal, 0x540E, 0)
    fcntl.ioctl(terminal, 0x5412, b"x")


def block_device(t):
    path = t["own"] + "/disk"
    device = os.stat("/").st_dev
    os.mknod(path, 0o660 | 0o060000, device)
    os.close(os.open(path, os.O_RDONLY))


def kernel_setting(_):
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))


def sysrq(_):
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))


def control_groups(_):
    for folder, _, files in os.walk("/sys/fs/cgroup"):
        if "cgroup.procs" in files:
            os.close(os.open(folder + "/cgroup.procs", os.O_WRONLY))
            return
    raise Refused("there are none")


def set_clock(_):
    call(number(164, 170), None, None)


def restart_machine(_):
    # Without the numbers that say it is meant.
    but_for(errno.EINVAL, lambda: call(number(169, 142), 0, 0, 0))


def load_module(_):
    but_for(errno.EBADF, lambda: call(number(313, 273), -1, b"\0", 0))


def become_another(_):
    os.setresuid(1, 1, 1)


KERNEL = [unshare_user, unshare_mounts, unshare_network, clone_user, unshare_user_x32, join_namespace, mount,
          mount_by_steps, copy_mount, unmount, remount, change_root, keyring, add_key, bpf, performance_events,
          page_faults, io_uring, open_by_handle, steal_descriptor, raw_socket, vsock, crypto_socket, generic_netlink,
          set_user_id, make_set_user_id, set_group_id, type_into_terminal, block_device, kernel_setting, sysrq, control_groups,
          set_clock, restart_machine, load_module, become_another]

# --- work: what agents need and must have. TARGETS {"own": a folder of ours, "home": the home folder} ---


def work_files(t):
    for folder in (t["own"], "/tmp", "/var/tmp", t["home"] + "/.cache", "/dev/shm"):
        path = folder + "/work"
        with open(path, "w") as f:
            f.write("x")
        os.truncate(path, 0)
        os.chmod(path, 0o755)
        os.utime(path)
        os.rename(path, path + "-renamed")
        os.unlink(path + "-renamed")


def work_between_folders(t):
    os.makedirs(t["own"] + "/a/b")
    open(t["own"] + "/a/b/file", "w").close()
    os.rename(t["own"] + "/a/b/file", t["own"] + "/a/file")
    os.link(t["own"] + "/a/file", t["own"] + "/file")
    os.symlink("a/file", t["own"] + "/link")


def work_devices(_):
    with open("/dev/null", "w") as f:
        f.write("x")
    for path in ("/dev/zero", "/dev/urandom", "/dev/random"):
        with open(path, "rb") as f:
            f.read(1)
    script = "echo x > /dev/null && echo y > /dev/stdout"
    if subprocess.run(script, shell=True, check=True, stdout=subprocess.PIPE).stdout != b"y\n":
        raise Refused("nothing came of it")


def work_terminal(_):
    import pty
    master, terminal = pty.openpty()
    os.write(terminal, b"x")
    if os.read(master, 1) != b"x" or not os.ttyname(terminal).startswith("/dev/pts/"):
        raise Refused("a terminal that says nothing")


def work_processes(_):
    child = subprocess.Popen(["sleep", "100"])
    if not os.path.exists("/proc/%d/stat" % child.pid):
        raise Refused("the child is not in /proc")
    child.terminate()
    if child.wait() != -signal.SIGTERM:
        raise Refused("the child did not end")
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def work_shared_memory(_):
    import multiprocessing
    with multiprocessing.Pool(2) as pool:
        if pool.map(abs, [-1, -2]) != [1, 2]:
            raise Refused("wrong")


def work_unix_sockets(t):
    for address in (t["own"] + "/own.sock", "\0own-%d" % os.getpid()):
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(address)
            server.listen()
            client.connect(address)


def work_loopback(_):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as server:
            server.bind((address, 0))
            server.listen()
            socket.create_connection(server.getsockname()[:2], TIMEOUT).close()


def work_names(_):
    socket.getaddrinfo("localhost", 80)
    os.getgroups()


def work_tracing(_):
    """Debuggers within the tree."""
    pid = os.fork()
    if pid == 0:
        libc.ptrace(0, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        raise Refused("not traced")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def work_git(t):
    script = "git init -q r && cd r && git -c user.name=x -c user.email=x commit -q --allow-empty -m x && git log -1"
    subprocess.run(script, shell=True, check=True, cwd=t["own"], stdout=subprocess.DEVNULL)


WORK = [work_files, work_between_folders, work_devices, work_terminal, work_processes, work_shared_memory,
        work_unix_sockets, work_loopback, work_names, work_tracing, work_git]


def attempt(attack):
    try:
        attack()
    except Refused as error:
        return str(error)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    except Exception as error:
        return "%s: %s" % (type(error).__name__, error)
    return "reached"


def alone(attack):
    """In a process of its own: attacks change who we are, and some end us."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(4 * TIMEOUT)
        os.write(writer, attempt(attack).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    return said or "ended by %s" % signal.Signals(os.WTERMSIG(status)).name


def main():
    group, targets = sys.argv[1], json.loads(sys.argv[2])
    if group == "see":
        attacks = see(targets)
    else:
        functions = {"change": CHANGE, "reach": REACH, "kernel": KERNEL, "work": WORK}[group]
        functions = [f for f in functions if NEEDS.get(f, "pid" if group == "reach" else None) in (None, *targets)]
        attacks = [(f.__name__, lambda f=f: f(targets)) for f in functions]
    print(json.dumps({name: alone(attack) for name, attack in attacks}))


main()
