#!/usr/bin/env bash
# Installs what building, testing and the demo need and this machine lacks. Made for Debian 12; needs root or
# sudo, and only where something is missing. Says nothing when there is nothing to do.
#
#   setup.sh               all of that
#   setup.sh debian-rust   Debian's Rust and the source of its standard library, for where rustup has no network
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # an ordinary user's PATH lacks them on Debian

PACKAGES=(
    # building: the compiler that Rust links with, and the cross compilers for the programs on the card
    gcc libc6-dev make binutils
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
    # making base images; qemu-user-static and binfmt-support run arm64 packages' scripts
    mmdebstrap ca-certificates qemu-user-static binfmt-support util-linux
    # making and judging file systems, tables and archives
    fdisk gdisk e2fsprogs dosfstools mtools xz-utils zstd zip
    # judging what we write for a node with the programs that read it there
    systemd network-manager grub-common python3-yaml dash passwd sudo openssh-server openssh-client
    netplan.io ifupdown wpasupplicant iproute2
    cloud-init # for what it needs: the base's own runs, as it lies in the image
    # serving and fetching in tests, measuring in benches
    openssl curl procps time
    # booting what was built
    qemu-system-arm qemu-system-x86 qemu-utils ovmf
)

# A kubectl from elsewhere is as good, and Debian's package does not go beside it.
command -v kubectl >/dev/null || PACKAGES+=(kubernetes-client)

say() { printf 'setup: %s\n' "$*"; }

die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root and there is no sudo here: $*
Run this script as root once, or install sudo."
    fi
}

# Of these only their checkers are wanted: a service that starts could take this machine's network over, or let people
# in. PACKAGE:UNIT,... of those that are not installed yet are masked before they are.
CHECKERS_ONLY=(
    network-manager:NetworkManager,NetworkManager-dispatcher,NetworkManager-wait-online
    openssh-server:ssh
    ifupdown:networking
    wpasupplicant:wpa_supplicant
    cloud-init:cloud-init-local,cloud-init,cloud-config,cloud-final,cloud-init-hotplugd
)

keep_services_off() {
    local pair package unit
    for pair in "${CHECKERS_ONLY[@]}"; do
        package=${pair%%:*}
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ] || continue
        as_root mkdir -p /etc/systemd/system
        for unit in $(tr , ' ' <<<"${pair#*:}"); do
            [ -e "/etc/systemd/system/$unit.service" ] || as_root ln -s /dev/null "/etc/systemd/system/$unit.service"
        done
        say "$package is installed for its checker only: its services are masked (systemctl unmask undoes it)"
    done
}

# missing PACKAGE...: those that dpkg does not have as installed, one a line.
missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# install PACKAGE...: those of them that are missing.
install() {
    local wanted=$# missing
    mapfile -t missing < <(missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "${#missing[@]} of $wanted packages are missing: ${missing[*]}"
    apt_install "${missing[@]}"
}

# apt_install PACKAGE...: their newest versions.
apt_install() {
    local log
    say "reading the package lists (apt-get update)"
    # One broken source of many, not Debian's, must not stop this: what matters is whether the install succeeds.
    as_root apt-get -qq -o Acquire::Retries=3 update || say "apt-get update had errors; going on"
    say "installing; this takes a few minutes on a new machine"
    log=$(mktemp)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
        install --no-install-recommends "$@" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "apt-get could not install these packages; its whole output is in $log. This script knows Debian 12"
    }
    rm -f "$log"
    say "installed"
}

version() { dpkg-query -W -f '${Version}' "$1"; }

# arm64 programs run here through qemu-user, which the kernel finds by /proc/sys/fs/binfmt_misc.
enable_arm64_programs() {
    local binfmt=/proc/sys/fs/binfmt_misc
    if [ ! -e $binfmt/register ]; then
        say "mounting binfmt_misc"
        as_root modprobe -q binfmt_misc 2>/dev/null || true # built in on some kernels
        as_root mount -t binfmt_misc binfmt_misc $binfmt ||
            die "mounting binfmt_misc failed: arm64 base images cannot be made on this machine"
    fi
    if [ "$(uname -m)" != aarch64 ] && ! grep -qsx enabled $binfmt/qemu-aarch64; then
        say "enabling arm64 programs (qemu-user)"
        as_root update-binfmts --enable qemu-aarch64 ||
            die "update-binfmts could not enable qemu-aarch64"
    fi
}

command -v dpkg-query >/dev/null || die "this machine has no dpkg; the script knows Debian 12 only"
case ${1-} in
'')
    keep_services_off
    install "${PACKAGES[@]}"
    enable_arm64_programs
    ;;
debian-rust)
    install rustc-web rust-web-src
    # One that was there before may be older, and the source is for one compiler.
    [ "$(version rustc-web)" = "$(version rust-web-src)" ] || apt_install rustc-web rust-web-src
    ;;
*) die "usage: setup.sh [debian-rust]" ;;
esac
