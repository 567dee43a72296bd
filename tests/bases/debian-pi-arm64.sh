# Debian bookworm arm64 as Debian's own Raspberry Pi images are laid out (raspi-firmware). It boots.
# shellcheck shell=bash
PROVES="boots: Debian's Raspberry Pi layout, MBR, root by label, NetworkManager, dphys-swapfile with a swap file"
source "$HERE/debian-pi-lib.sh"

build() {
    build_debian_pi network-manager
}

configure_network() {
    make_host_keys_at_boot "$1"
}
