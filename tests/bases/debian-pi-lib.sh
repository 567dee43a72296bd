# What the Debian-Pi bases share: bookworm arm64 as Debian's own Raspberry Pi images are laid out (raspi-firmware). They
# differ in what sets up the network, which build_debian_pi is told as packages.
# shellcheck shell=bash

# What Debian's image has besides these is of no use here, but fdisk: the root is grown with it.
COMMON_PACKAGES=systemd-sysv,systemd-timesyncd,udev,dbus,kmod,iproute2,openssh-server,iptables,fdisk
COMMON_PACKAGES+=,dosfstools,e2fsprogs,zstd,ca-certificates,linux-image-arm64,raspi-firmware,dphys-swapfile

FAT_START=8192 # 4 MiB, as in Debian's image
FAT_SECTORS=1040384
ROOT_START=$((FAT_START + FAT_SECTORS))
SWAP_MIB=100

# build_debian_pi PACKAGES: the whole image, with these packages on top of the common ones. The recipe's own
# `configure_network ROOT` is called last.
build_debian_pi() {
    local packages=$1 root=$WORK/root common
    can_run_arm64
    common=$(common_system_path)
    # Another recipe may be making it.
    exec 8>"${common%-*}.lock"
    flock 8
    [ -e "$common" ] || make_common_system "$common"
    exec 8>&-
    # Only these packages are fetched: the rest is there already, as the hook unpacks it.
    fetch_system "$root" bookworm arm64 custom "$packages" \
        --components=main,non-free-firmware --setup-hook="tar -C \"\$1\" -xpf '$common'"
    make_swap_file "$root"
    write_identity "$root" rpi4
    configure_network "$root"
    assemble "$root"
}

# Where the common system is kept, as an archive beside the images: nearly all of the emulation goes into it.
common_system_path() {
    local digest
    digest=$(cat "$HERE/lib.sh" "$HERE/debian-pi-lib.sh" | sha256sum | cut -c 1-16)
    echo "$(dirname "$WORK")/debian-pi-common-$digest.tar"
}

make_common_system() {
    local path=$1 root=$WORK/common
    write_initramfs_settings "$WORK/before"
    # INITRD=No: the kernel's postinst would make an initramfs (slow here), which the trigger then makes again.
    INITRD=No fetch_system "$root" bookworm arm64 minbase "$COMMON_PACKAGES" \
        --components=main,non-free-firmware --setup-hook="cp -r '$WORK/before/.' \"\$1\""
    configure "$root"
    make_boot_files "$root"
    tar -C "$root" --numeric-owner -cf "$WORK/common.tar" .
    rm -rf --one-file-system "$root"
    mv "$WORK/common.tar" "$path"
}

can_run_arm64() {
    [ "$(uname -m)" = aarch64 ] || [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] ||
        die "this machine does not run arm64 programs through binfmt_misc; run scripts/setup.sh"
}

# Settings that must be there before the kernel. The modules named here are those of a Pi's card and of QEMU's
# machines virt and raspi3b; Debian's image has MODULES=most, whose initramfs takes ten minutes to make under emulation.
write_initramfs_settings() {
    printf '%s\n' MODULES=list COMPRESS=zstd COMPRESSLEVEL=1 |
        write_file "$1/etc/initramfs-tools/conf.d/small" 644
    printf '%s\n' virtio_blk virtio_net virtio_pci virtio_mmio ext4 vfat nls_ascii nls_cp437 overlay \
        mmc_block sdhci_iproc bcm2835 usb_storage uas xhci_pci reset_raspberrypi |
        write_file "$1/etc/initramfs-tools/modules" 644
}

configure() {
    local root=$1
    write_file "$root/etc/fstab" 644 <<'EOF'
# The root file system has fs_passno=1 as per fstab(5) for automatic fsck.
LABEL=RASPIROOT / ext4 rw,noatime 0 1
# All other file systems have fs_passno=2 as per fstab(5) for automatic fsck.
LABEL=RASPIFIRM /boot/firmware vfat rw 0 2
EOF
    # As in Debian's image: root logs in on the console without a password.
    sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
    sed -i "s/^#CONF_SWAPSIZE=.*/CONF_SWAPSIZE=$SWAP_MIB/" "$root/etc/dphys-swapfile"
    grep -qx "CONF_SWAPSIZE=$SWAP_MIB" "$root/etc/dphys-swapfile"
}

# make_host_keys_at_boot ROOT: as Debian's image does on the first boot; this unit is written for these bases.
make_host_keys_at_boot() {
    local root=$1
    write_file "$root/etc/systemd/system/rpi-generate-ssh-host-keys.service" 644 <<'EOF'
[Unit]
Description=Generate SSH host keys on the first boot
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
EOF
    ln -s ../rpi-generate-ssh-host-keys.service "$root/etc/systemd/system/multi-user.target.wants/"
}

# make_boot_files ROOT: initramfs, config.txt and cmdline.txt, made by Debian's own hooks.
make_boot_files() {
    local root=$1 version
    sed -i -e 's|^#ROOTPART=.*|ROOTPART=LABEL=RASPIROOT|' -e 's|^#CONSOLES=.*|CONSOLES="tty0 ttyS1,115200"|' \
        "$root/etc/default/raspi-firmware"
    version=$(basename "$root"/lib/modules/*)
    log "making the initramfs of $version (emulated, half a minute)"
    in_system "$root" update-initramfs -c -k "$version"
    grep -q 'root=LABEL=RASPIROOT' "$root/boot/firmware/cmdline.txt" ||
        die "raspi-firmware's hook did not write the root's label into cmdline.txt"
    [ -s "$root/boot/firmware/initrd.img-$version" ] || die "the initramfs did not reach /boot/firmware"
}

# A swap file as dphys-swapfile makes it. mke2fs drops its zeros, so assemble() gives it its blocks back.
make_swap_file() {
    truncate -s ${SWAP_MIB}M "$1/var/swap"
    chmod 600 "$1/var/swap"
    mkswap --quiet --uuid 5a0b7c1e-0000-4000-8000-000000000003 "$1/var/swap"
}

assemble() {
    local root=$1 kib
    mv "$root/boot/firmware" "$WORK/firmware"
    mkdir "$root/boot/firmware"
    kib=$(root_kib "$root")
    new_fat32 "$WORK/fat" $FAT_SECTORS "$WORK/firmware" RASPIFIRM 5A0B0001
    new_ext4 "$WORK/ext4" "$kib" "$root" -L RASPIROOT -U 5a0b7c1e-0000-4000-8000-000000000001 \
        -E hash_seed=5a0b7c1e-0000-4000-8000-000000000002
    debugfs -w -R "fallocate /var/swap 0 $((SWAP_MIB * 256 - 1))" "$WORK/ext4" 2>/dev/null
    new_disk $((ROOT_START + kib * 2)) <<EOF
label: dos
label-id: 0x5a0b7c1e
start=$FAT_START, size=$FAT_SECTORS, type=c
start=$ROOT_START, size=$((kib * 2)), type=83
EOF
    lay $FAT_START "$WORK/fat"
    lay $ROOT_START "$WORK/ext4"
    judge_mbr
    judge_fat $FAT_START $FAT_SECTORS
    judge_ext4 $ROOT_START
}
