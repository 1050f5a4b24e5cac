#!/bin/sh
# The first process of a virtual machine: makes the system that tests expect, and runs the boot that the kernel's command
# line names - by itself, or as a unit of systemd.
export PATH=/usr/sbin:/usr/bin
set -e

if [ "$1" != mounted ]; then
    # The kernel's first root can neither be left by `pivot_root` nor be a mount of a container: become one that can.
    busybox mkdir /again
    busybox mount --bind / /again
    cd /again
    busybox mount --move . /
    exec busybox chroot . /init mounted
fi

mount -t proc proc /proc
for word in $(cat /proc/cmdline); do
    case $word in
        bog.boot=*) boot=${word#*=} ;;
        bog.manager=*) manager=${word#*=} ;;
    esac
done
chmod 1777 /tmp /var/tmp
if [ "$manager" = systemd ]; then
    exec /usr/lib/systemd/systemd --unit="bog-boot@$boot.service" --show-status=0
fi

mount -t sysfs sysfs /sys
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t devtmpfs devtmpfs /dev
mkdir /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
busybox ip link set lo up
/bog/boot "$boot" || true
busybox poweroff -f
