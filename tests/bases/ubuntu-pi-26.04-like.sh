# The shape of Ubuntu Server 26.04 for Raspberry Pi, arm64. It does not boot.
# shellcheck shell=bash
PROVES="Ubuntu 26.04's shape on a Pi: boot folder current/ by os_prefix, new/ for a trial, newest ext4 features"
source "$HERE/pi-os-lib.sh"
source "$HERE/ubuntu-lib.sh"

DISK_ID=5a0b7c26

build() {
    ROOT=$WORK/root FAT=$WORK/fat
    mkdir -p "$FAT"
    unpack_system "$ROOT" trixie "$UBUNTU_PACKAGES"
    write_os_release "$ROOT" 26.04 "26.04 LTS" resolute "Resolute Raccoon"
    write_ubuntu_boot_files "$FAT" current
    write_ubuntu_config_txt "$FAT" 'os_prefix=current/' '' '[tryboot]' 'os_prefix=new/'
    build_ubuntu_pi "$UBUNTU_NEW_FEATURES" 7.0.0-1003-raspi zst vxlan wireguard
}
