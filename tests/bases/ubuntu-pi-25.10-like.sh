# The shape of Ubuntu Server 25.10 for Raspberry Pi, arm64. It does not boot.
# shellcheck shell=bash
PROVES="Ubuntu 25.10's shape on a Pi: the first with current/ and new/, with its own kernel"
source "$HERE/pi-os-lib.sh"
source "$HERE/ubuntu-lib.sh"

DISK_ID=5a0b7c25

build() {
    ROOT=$WORK/root FAT=$WORK/fat
    mkdir -p "$FAT"
    unpack_system "$ROOT" trixie "$UBUNTU_PACKAGES"
    write_os_release "$ROOT" 25.10 "25.10" questing "Questing Quokka"
    write_ubuntu_boot_files "$FAT" current
    write_ubuntu_config_txt "$FAT" 'os_prefix=current/' '' '[tryboot]' 'os_prefix=new/'
    build_ubuntu_pi "$UBUNTU_NEW_FEATURES" 6.17.0-1003-raspi zst vxlan wireguard
}
