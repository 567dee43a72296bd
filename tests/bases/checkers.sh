# The root directory of services whose checkers the tests run: nmcli, sshd -T, visudo, netplan, ifup, wpa_supplicant,
# cloud-init's schema. They are Debian 12's, for this machine's processor, and never installed on the machine itself, where
# such a service could take its network over or let people in. tests/kit/src/checkers.rs runs programs from it.
# Not a base image: `make.sh --checkers` makes it.
# shellcheck shell=bash

CHECKERS=network-manager,netplan.io,ifupdown,wpasupplicant,openssh-server,sudo,cloud-init,grub-common
# systemd-networkd, and what the scripts of the tests call beside a checker.
CHECKERS+=,systemd,iproute2,mount,python3-yaml

# make_checkers OUT: the directory OUT.
make_checkers() {
    local out=$1
    # shellcheck disable=SC2034 # for log in lib.sh
    NAME=checkers
    need mmdebstrap:mmdebstrap
    WORK=$(mktemp -d "$(dirname "$out")/.checkers.XXXXXX")
    chmod 755 "$WORK" # apt drops its rights while it fetches
    # One file system only: should mmdebstrap have died with /proc still mounted, it is left alone.
    trap 'rm -rf --one-file-system "$WORK"' EXIT
    trap 'exit 130' INT TERM HUP
    fetch_system "$WORK/root" bookworm "$(dpkg --print-architecture)" essential "$CHECKERS"
    # Without one, systemd-networkd configures nothing.
    echo 5a0b7c1e0000400080000000000000c4 | write_file "$WORK/root/etc/machine-id" 444
    rm -rf "$WORK"/root/dev "$WORK"/root/var/cache/apt "$WORK"/root/var/lib/apt
    mv "$WORK/root" "$out"
}
