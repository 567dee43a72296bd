# The shape of Debian's own Raspberry Pi image of trixie: raspi-firmware, ifupdown. It does not boot.
# shellcheck shell=bash
PROVES="Debian trixie's shape on a Pi: ifupdown, root without a password, no swap, device trees up to the Pi 5"
source "$HERE/pi-os-lib.sh"

DISK_ID=5a0b7c13
RELEASE=6.12.43+deb13-arm64
FAT_START=8192 FAT_SECTORS=1040384

build() {
    local root=$WORK/root fat=$WORK/fat file
    unpack_system "$root" trixie ifupdown,isc-dhcp-client,zstd
    printf '%s\n' '' 'Package: raspi-firmware' 'Status: install ok installed' 'Architecture: all' \
        'Version: 1:1.20250326+ds-1' >>"$root/var/lib/dpkg/status"
    mkdir -p "$root/boot/firmware" "$fat"
    write_identity "$root" rpi
    write_accounts "$root"
    sed -i -e '/^pi:/d' -e 's/:pi$/:/' "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}
    rm -r "$root/home/pi"
    sed -i 's/^root:[^:]*:/root::/' "$root/etc/shadow"
    choose_iptables "$root"
    echo 'source /etc/network/interfaces.d/*' | write_file "$root/etc/network/interfaces" 644
    write_file "$root/etc/network/interfaces.d/eth0" 644 <<'EOF'
auto eth0

iface eth0 inet dhcp
iface eth0 inet6 auto
EOF
    enable_units "$root" networking.service systemd-timesyncd.service
    write_module_lists "$root" $RELEASE xz overlay bridge br_netfilter nf_conntrack veth vxlan wireguard ip_tables \
        iptable_nat iptable_filter
    write_file "$root/etc/fstab" 644 <<'EOF'
# The root file system has fs_passno=1 as per fstab(5) for automatic fsck.
LABEL=RASPIROOT / ext4 rw 0 1
# All other file systems have fs_passno=2 as per fstab(5) for automatic fsck.
LABEL=RASPIFIRM /boot/firmware vfat rw 0 2
EOF
    for file in bootcode.bin start4.elf fixup4.dat vmlinuz-$RELEASE initrd.img-$RELEASE bcm2711-rpi-4-b.dtb \
        bcm2711-rpi-cm4-io.dtb bcm2712-rpi-5-b.dtb bcm2837-rpi-3-b-plus.dtb bcm2837-rpi-zero-2-w.dtb; do
        echo "placeholder for $file" >"$fat/$file"
    done
    printf '%s\n' '# Do not modify this file!' "kernel=vmlinuz-$RELEASE" "initramfs initrd.img-$RELEASE" arm_64bit=1 \
        'cmdline=cmdline.txt' 'enable_uart=1' 'upstream_kernel=1' >"$fat/config.txt"
    echo "console=tty0 console=ttyS1,115200 root=LABEL=RASPIROOT rw fsck.repair=yes net.ifnames=0 cma=64M rootwait" \
        >"$fat/cmdline.txt"
    assemble "$root" "$fat"
}

assemble() {
    local root=$1 fat=$2 kib root_start=$((FAT_START + FAT_SECTORS))
    kib=$(root_kib "$root")
    new_fat32 "$WORK/fat.img" $FAT_SECTORS "$fat" RASPIFIRM $DISK_ID
    new_ext4 "$WORK/ext4.img" "$kib" "$root" -O "none,$PI_OS_FEATURES,64bit,huge_file,orphan_file,metadata_csum_seed" \
        -L RASPIROOT -U $DISK_ID-0000-4000-8000-000000000001 -E hash_seed=$DISK_ID-0000-4000-8000-000000000002
    new_disk $((root_start + kib * 2)) <<EOF
label: dos
label-id: 0x$DISK_ID
start=$FAT_START, size=$FAT_SECTORS, type=c
start=$root_start, size=$((kib * 2)), type=83
EOF
    lay $FAT_START "$WORK/fat.img"
    lay $root_start "$WORK/ext4.img"
    judge_mbr
    judge_fat $FAT_START $FAT_SECTORS
    judge_ext4 $root_start
}
