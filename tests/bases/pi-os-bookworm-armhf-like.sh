# The shape of Raspberry Pi OS Lite 12 (bookworm), armhf: 32-bit programs, kernels of 32 and of 64 bits. It does not boot.
# shellcheck shell=bash
PROVES="Raspberry Pi OS bookworm's 32-bit shape: armhf programs beside a 64-bit kernel, ID=raspbian, kernels for each Pi up to the 4"
source "$HERE/pi-os-lib.sh"

DISK_ID=5a0b7c32

build() {
    local root=$WORK/root fat=$WORK/fat
    mkdir -p "$fat"
    unpack_armhf "$root" "$PI_OS_PACKAGES,network-manager,dphys-swapfile,fake-hwclock"
    mkdir -p "$root/boot/firmware"
    write_raspbian_release "$root"
    write_identity "$root" raspberrypi
    write_accounts "$root"
    write_defaults "$root"
    write_stand_ins "$root" bookworm /boot/firmware
    write_init_program "$root" /boot/firmware
    keep_no_journal "$root"
    write_kernel_stand_ins "$root" "$fat" 6.12.25+rpt-rpi-v6 6.12.25+rpt-rpi-v7 6.12.25+rpt-rpi-v7l 6.12.25+rpt-rpi-v8
    write_32_bit_stand_ins "$fat"
    choose_iptables "$root"
    enable_units "$root" NetworkManager.service systemd-timesyncd.service
    set_up_dphys_swapfile "$root" 100
    set_up_fake_hwclock "$root"
    write_fstab "$root" $DISK_ID /boot/firmware
    write_boot_stubs "$root"
    write_config_txt "$fat" '# Automatically load overlays for detected cameras' 'camera_auto_detect=1' \
        '# Automatically load initramfs files, if found' 'auto_initramfs=1'
    write_cmdline "$fat" $DISK_ID rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot
    cp "$root/etc/rpi-issue" "$fat/issue.txt"
    assemble_pi_os "$root" "$fat" $DISK_ID 16384 1048576 $PI_OS_FEATURES -s 4
}

# unpack_armhf ROOT PACKAGES: as unpack_system, but the security archive, from which nothing comes there either, is not
# even asked: its index for armhf and the mirrors' copies of it have been seen not to match.
unpack_armhf() {
    local root=$1 packages=$2
    fetch_system "$root" bookworm armhf extract "$packages" --components=main \
        --setup-hook='sed -i "/security/d" "$1/etc/apt/sources.list"' \
        --setup-hook='for d in bin lib sbin; do mkdir -p "$1/usr/$d" && ln -s "usr/$d" "$1/$d"; done' \
        --extract-hook="mkdir '$WORK/debs' && mv \"\$1\"/var/cache/apt/archives/*.deb '$WORK/debs/'"
    write_dpkg_status "$root" "$WORK"/debs/*.deb
    rm -rf "$WORK/debs"
}

# Packages for armhf are Raspbian's there, built for ARMv6; the system calls itself after it.
write_raspbian_release() {
    write_file "$1/usr/lib/os-release" 644 <<'EOF'
PRETTY_NAME="Raspbian GNU/Linux 12 (bookworm)"
NAME="Raspbian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=raspbian
ID_LIKE=debian
EOF
}

# Kernels and device trees for the Pis before the 3; none has pages of 16 KiB.
write_32_bit_stand_ins() {
    local file
    for file in kernel.img kernel7.img kernel7l.img initramfs initramfs7 initramfs7l bcm2708-rpi-zero-w.dtb \
        bcm2709-rpi-2-b.dtb bcm2710-rpi-2-b.dtb bcm2710-rpi-3-b.dtb; do
        echo "placeholder for $file" >"$1/$file"
    done
    rm "$1/kernel_2712.img" "$1/initramfs_2712"
}
