# What the look-alikes that boot share. Their packages are unpacked and not configured, so no program of theirs runs when
# they are made: the kernel, with its modules and initial RAM disk, is the one that the Debian-Pi bases have made already.
# It is Debian's, whatever publisher the rest looks like. Sourced after pi-os-lib.sh, and before debian-pi-lib.sh.
# shellcheck shell=bash

# What a system needs to reach a login and to grow its root, besides what the other packages depend on.
BOOT_PACKAGES=util-linux,mount,fdisk,parted,grep,sed,gzip,tar,mawk,findutils,hostname,login,passwd,procps,libc-bin
BOOT_PACKAGES+=,libpam-modules,libpam-runtime,openssh-client,ncurses-bin,console-setup-linux

# borrow_kernel ROOT KERNEL INITRD: modules into ROOT, the other two as these files.
borrow_kernel() {
    local root=$1 kernel=$2 initrd=$3 common
    can_run_arm64
    common=$(common_system_path)
    # Another recipe may be making it.
    exec 8>"${common%-*}.lock"
    flock 8
    [ -e "$common" ] || make_common_system "$common"
    exec 8>&-
    tar -C "$root" -xpf "$common" --wildcards './usr/lib/modules/*'
    mkdir "$WORK/borrowed"
    tar -C "$WORK/borrowed" -xpf "$common" --wildcards './boot/vmlinuz-*' './boot/initrd.img-*'
    mv "$WORK"/borrowed/boot/vmlinuz-* "$kernel"
    mv "$WORK"/borrowed/boot/initrd.img-* "$initrd"
    rm -r "$WORK/borrowed"
}

# make_bootable ROOT: what the scripts of the packages would have done that a boot cannot do without.
make_bootable() {
    local root=$1 name
    systemd-sysusers --root="$root" >"$WORK/sysusers.log" 2>&1 || {
        cat "$WORK/sysusers.log" >&2
        die "systemd-sysusers failed"
    }
    rm -f "$root"/etc/{passwd,group,shadow,gshadow}- "$root/etc/.pwd.lock"
    mkdir -p "$root/etc/alternatives" "$root/var/lib/systemd"
    rm -rf "$root/var/run" "$root/var/lock"
    ln -s /run "$root/var/run"
    ln -s /run/lock "$root/var/lock"
    for name in awk:mawk nc:nc.openbsd; do
        [ -e "$root/usr/bin/${name#*:}" ] || continue
        ln -sf "/etc/alternatives/${name%:*}" "$root/usr/bin/${name%:*}"
        ln -sf "/usr/bin/${name#*:}" "$root/etc/alternatives/${name%:*}"
    done
    # What pam-auth-update writes, at its shortest.
    for name in account auth password session; do
        echo "$name required pam_unix.so" | write_file "$root/etc/pam.d/common-$name" 644
    done
    cp "$root/etc/pam.d/common-session" "$root/etc/pam.d/common-session-noninteractive"
    enable_units "$root" systemd-pstore.service
}
