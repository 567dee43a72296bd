# The shape of Ubuntu's cloud image of 24.04 for amd64. It does not boot.
# shellcheck shell=bash
PROVES="Ubuntu cloud image's shape: GPT not in disk order, BIOS boot, ESP, an ext4 of its own at /boot, GRUB, netplan"
source "$HERE/pi-os-lib.sh"
source "$HERE/ubuntu-lib.sh"
source "$HERE/cloud-lib.sh"

ARCH=amd64
DISK_ID=5a0b7c84

build() {
    build_ubuntu_cloud 6.8.0-60-generic
}
