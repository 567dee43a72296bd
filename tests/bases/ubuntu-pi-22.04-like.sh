# The shape of Ubuntu Server 22.04 for Raspberry Pi, arm64. It does not boot.
# shellcheck shell=bash
PROVES="Ubuntu 22.04's shape on a Pi: flat boot folder, and a kernel whose package has no vxlan"
source "$HERE/pi-os-lib.sh"
source "$HERE/ubuntu-lib.sh"

DISK_ID=5a0b7c22

build() {
    ROOT=$WORK/root FAT=$WORK/fat
    mkdir -p "$FAT"
    unpack_system "$ROOT" bookworm "$UBUNTU_PACKAGES"
    write_os_release "$ROOT" 22.04 "22.04.5 LTS" jammy "Jammy Jellyfish"
    write_ubuntu_boot_files "$FAT" ""
    write_ubuntu_config_txt "$FAT"
    build_ubuntu_pi "$UBUNTU_FEATURES" 5.15.0-1061-raspi xz wireguard
}
