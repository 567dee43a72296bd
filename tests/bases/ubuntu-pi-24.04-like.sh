# The shape of Ubuntu Server 24.04 for Raspberry Pi, arm64, with Debian's kernel. It boots.
# shellcheck shell=bash
PROVES="boots: Ubuntu 24.04's shape on a Pi: labels, cloud-init with netplan and networkd, flat boot folder"
source "$HERE/pi-os-lib.sh"
source "$HERE/ubuntu-lib.sh"
source "$HERE/debian-kernel-lib.sh"
source "$HERE/debian-pi-lib.sh"

DISK_ID=5a0b7c24

build() {
    ROOT=$WORK/root FAT=$WORK/fat
    mkdir -p "$FAT"
    unpack_system "$ROOT" trixie "$UBUNTU_PACKAGES,$BOOT_PACKAGES"
    write_os_release "$ROOT" 24.04 "24.04.3 LTS" noble "Noble Numbat"
    write_ubuntu_boot_files "$FAT" ""
    write_ubuntu_config_txt "$FAT"
    install_kernel "$ROOT" "$FAT/vmlinuz" "$FAT/initrd.img"
    build_ubuntu_pi "$UBUNTU_FEATURES" 6.8.0-1031-raspi zst vxlan wireguard
}
