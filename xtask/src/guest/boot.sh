#!/bin/sh
# Runs the passes of one boot and writes down what they said. Lines that begin with `@@` are for the one who started the
# guest; whatever stands between `@@ begin` and `@@ end` is the tests' own output.
export PATH=/usr/local/bin:/usr/sbin:/usr/bin RUST_BACKTRACE=1

# A file given from outside, or the second serial port.
results=/bog/results
[ -e $results ] || results=/dev/ttyS1
exec >$results 2>&1 </dev/null

# pass NAME USER EXPECT ARGUMENT...: the tests that the arguments choose, as that user, who is told what this guest has.
pass() {
    name=$1 user=$2
    export BOG_TEST_EXPECT="$3"
    shift 3
    echo "@@ begin $name"
    if [ "$user" = root ]; then
        HOME=/root /bog/it "$@"
    else
        as_user /bog/it "$@"
    fi
    echo "@@ end $name $?"
}

as_user() (
    export HOME=/home/user XDG_RUNTIME_DIR=/run/user/1000
    mkdir -p $XDG_RUNTIME_DIR
    chown user:user $HOME $XDG_RUNTIME_DIR
    [ ! -d $delegated ] || echo 0 >$delegated/tests/cgroup.procs
    exec setpriv --reuid=user --regid=user --clear-groups "$@"
)

# From here on the user has a part of the control groups, as systemd would delegate it.
delegate() {
    mkdir -p $delegated/tests
    echo '+memory +pids +cpu' >/sys/fs/cgroup/cgroup.subtree_control
    for group in $delegated $delegated/tests; do
        chown user:user $group $group/cgroup.procs $group/cgroup.subtree_control
    done
    python3 -c "import os; os.setxattr('$delegated', 'user.delegate', b'1')"
}
delegated=/sys/fs/cgroup/user

echo "@@ kernel $(uname -r), security modules $(cat /sys/kernel/security/lsm 2>/dev/null || echo unknown)"
cd /tmp
. "/bog/boots/$1"
echo "@@ done"
