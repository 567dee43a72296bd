# Debian-Pi as debian-pi-arm64, with dhcpcd for the network, as Raspberry Pi OS bullseye has it. It boots.
# shellcheck shell=bash
PROVES="boots: dhcpcd with openresolv on Debian's Raspberry Pi layout"
source "$HERE/debian-pi-lib.sh"

build() {
    build_debian_pi dhcpcd,openresolv,wpasupplicant
}

configure_network() {
    make_host_keys_at_boot "$1"
    # The unit of dhcpcd 9 does not start without these two: it names them as paths that it may write to.
    mkdir -p "$1/etc/wpa_supplicant"
    : | write_file "$1/etc/resolv.conf" 644
}
