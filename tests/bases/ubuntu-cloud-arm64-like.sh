# The shape of Ubuntu's cloud image of 24.04 for arm64. It does not boot.
# shellcheck shell=bash
PROVES="Ubuntu arm64 cloud image's shape: as for amd64, without BIOS boot"
source "$HERE/pi-os-lib.sh"
source "$HERE/ubuntu-lib.sh"
source "$HERE/cloud-lib.sh"

ARCH=arm64
DISK_ID=5a0b7c85

build() {
    build_ubuntu_cloud 6.8.0-60-generic
}
