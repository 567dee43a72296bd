# The shape of Debian's cloud image of trixie for amd64. It does not boot.
# shellcheck shell=bash
PROVES="Debian cloud image's shape: GPT not in disk order, BIOS boot, ESP, /boot on the root, cloud-init, growfs"
source "$HERE/pi-os-lib.sh"
source "$HERE/cloud-lib.sh"

ARCH=amd64
DISK_ID=5a0b7cd4

build() {
    build_debian_cloud 6.12.43+deb13-cloud-amd64
}
