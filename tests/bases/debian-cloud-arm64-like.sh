# The shape of Debian's cloud image of trixie for arm64. It does not boot.
# shellcheck shell=bash
PROVES="Debian arm64 cloud image's shape: GPT with an ESP and no BIOS boot, /boot on the root, cloud-init, growfs"
source "$HERE/pi-os-lib.sh"
source "$HERE/cloud-lib.sh"

ARCH=arm64
DISK_ID=5a0b7cd3

build() {
    build_debian_cloud 6.12.43+deb13-cloud-arm64
}
