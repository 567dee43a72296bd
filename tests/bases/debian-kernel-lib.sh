# What the look-alikes that boot share. Their packages are unpacked and not configured: no script of theirs runs when they are
# made. The kernel, with its modules and initial RAM disk, is Debian's, whatever publisher the rest looks like.
# Sourced after pi-os-lib.sh, and before debian-pi-lib.sh.
# shellcheck shell=bash

# What a system needs to reach a login and to grow its root, besides what the other packages depend on.
BOOT_PACKAGES=util-linux,mount,fdisk,parted,grep,sed,gzip,tar,mawk,findutils,hostname,login,passwd,procps,libc-bin
BOOT_PACKAGES+=,libpam-modules,libpam-runtime,openssh-client,ncurses-bin,console-setup-linux

# The kernel, and what makes its initial RAM disk.
KERNEL_PACKAGES=linux-image-arm64,initramfs-tools,zstd,kmod,udev,e2fsprogs,dosfstools,base-files,bash,coreutils,dash
KERNEL_PACKAGES+=,debianutils,dpkg,findutils,grep,gzip,libc-bin,mawk,sed,util-linux,mount

# install_kernel ROOT KERNEL INITRD: modules into ROOT, the other two as these files.
install_kernel() {
    local root=$1 kernel=$2 initrd=$3 made
    made=$(kernel_path)
    # Another recipe may be making it.
    exec 8>"${made%-*}.lock"
    flock 8
    [ -e "$made" ] || make_kernel "$made"
    exec 8>&-
    tar -C "$root" -xpf "$made" ./usr/lib/modules
    mkdir "$WORK/made"
    tar -C "$WORK/made" -xpf "$made" ./boot
    mv "$WORK"/made/boot/vmlinuz-* "$kernel"
    mv "$WORK"/made/boot/initrd.img-* "$initrd"
    rm -r "$WORK/made"
}

# Where it is kept, as an archive beside the images.
kernel_path() {
    local digest
    digest=$(cat "$HERE/lib.sh" "$HERE/debian-kernel-lib.sh" "$HERE/debian-pi-lib.sh" | sha256sum | cut -c 1-16)
    echo "$(dirname "$WORK")/debian-kernel-$digest.tar"
}

# make_kernel PATH: the archive. The programs of initramfs-tools run emulated; they do not mind that no package is configured.
make_kernel() {
    local path=$1 root=$WORK/kernel version pattern
    can_run_arm64
    fetch_system "$root" bookworm arm64 extract "$KERNEL_PACKAGES" \
        --setup-hook='for d in bin lib sbin; do mkdir -p "$1/usr/$d" && ln -s "usr/$d" "$1/$d"; done'
    for pattern in "${LEFT_OUT[@]}"; do
        # shellcheck disable=SC2086 # a pattern, and nothing in it that splits
        rm -rf "$root"$pattern
    done
    version=$(basename "$root"/lib/modules/*)
    write_initramfs_settings "$root"
    # For which file systems the initial RAM disk gets a checker.
    echo 'LABEL=root / ext4 defaults 0 1' | write_file "$root/etc/fstab" 644
    log "making the initramfs of $version (emulated)"
    in_system "$root" depmod "$version"
    in_system "$root" update-initramfs -c -k "$version"
    tar -C "$root" --numeric-owner -cf "$WORK/kernel.tar" ./usr/lib/modules "./boot/vmlinuz-$version" "./boot/initrd.img-$version"
    rm -rf --one-file-system "$root"
    mv "$WORK/kernel.tar" "$path"
}

# make_bootable ROOT: what the scripts of the packages would have done that a boot cannot do without.
make_bootable() {
    local root=$1 name
    systemd-sysusers --root="$root" >"$WORK/sysusers.log" 2>&1 || {
        cat "$WORK/sysusers.log" >&2
        die "systemd-sysusers failed"
    }
    rm -f "$root"/etc/{passwd,group,shadow,gshadow}- "$root/etc/.pwd.lock"
    mkdir -p "$root/etc/alternatives" "$root/var/lib/systemd" "$root/var/log/journal"
    # What update-ca-certificates writes; without it nothing that speaks TLS starts, cloud-init included.
    cat "$root"/usr/share/ca-certificates/mozilla/*.crt | write_file "$root/etc/ssl/certs/ca-certificates.crt" 644
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
