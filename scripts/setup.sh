#!/usr/bin/env bash
# Checks or installs what a make target needs. Made for Debian 12; --check works on any Linux.
#
#   setup.sh --check        compilers for `make`: says what is missing and how to install it; installs nothing
#   setup.sh build          installs these compilers
#   setup.sh demo           installs what `make demo` needs: a compiler for the Pi, mmdebstrap, QEMU for Arm
#   setup.sh test           installs what `make test` needs: build, demo, checkers of file systems and files, QEMU for PCs
#   setup.sh page-test      installs what `make page-test` needs: a browser
#   setup.sh windows        installs what `make windows` needs besides: a compiler for Windows
#   setup.sh --list GROUP   prints the packages of build, demo, test, page-test or windows, one a line
#
# Installing needs root or sudo, and happens only where something is missing. No group has a network or login service
# (NetworkManager, sshd, ...): tests run those from a directory of their own, see tests/bases/checkers.sh.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # an ordinary user's PATH lacks them on Debian

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# The compiler that Rust links with, readelf, and the C compiler for a 64-bit Pi.
HOST_COMPILER=(gcc libc6-dev binutils)
PI_COMPILER=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross)

BUILD=("${HOST_COMPILER[@]}" make "${PI_COMPILER[@]}"
    gcc-arm-linux-gnueabihf libc6-dev-armhf-cross)

DEMO=("${HOST_COMPILER[@]}" "${PI_COMPILER[@]}"
    # making the base image; qemu-user-static and binfmt-support run the scripts of arm64 packages
    mmdebstrap ca-certificates qemu-user-static binfmt-support util-linux
    fdisk gdisk e2fsprogs dosfstools mtools systemd
    # the k3s release around the stand-in
    openssl zstd
    # booting the node; qemu-img makes its disk
    qemu-system-arm qemu-utils)

TEST=("${BUILD[@]}" "${DEMO[@]}"
    # checking what was written: archives, YAML, accounts, keys, units; systemd-analyze, systemctl and journalctl
    xz-utils zip p7zip-full lz4 bzip2 parted
    # file systems that are refused by name
    btrfs-progs f2fs-tools xfsprogs squashfs-tools erofs-utils ntfs-3g exfatprogs
    python3-venv python3-yaml dpkg libdpkg-perl dash passwd openssh-client iproute2
    # making and reading container images
    skopeo umoci
    # making and signing archives of packages
    apt-utils gnupg
    # serving and fetching in tests, measuring in benches
    curl procps time
    # booting PCs
    qemu-system-x86 ovmf)

# A browser, what drives it, letters for it, and what reads its picture of a QR code.
PAGE=(chromium chromium-driver fonts-dejavu-core zbar-tools curl)

# Compiling hcimage.exe; Wine is unpacked and not installed (tests/windows/wine.sh).
WINDOWS=(gcc-mingw-w64-x86-64)

say() { printf 'setup: %s\n' "$*"; }

die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

usage() {
    sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# packages GROUP: one a line.
packages() {
    case $1 in
    build) printf '%s\n' "${BUILD[@]}" ;;
    demo) printf '%s\n' "${DEMO[@]}" ;;
    windows) printf '%s\n' "${WINDOWS[@]}" ;;
    test)
        printf '%s\n' "${TEST[@]}"
        # A kubectl from elsewhere is as good, and Debian's package does not install beside it.
        command -v kubectl >/dev/null || echo kubernetes-client
        ;;
    page-test) printf '%s\n' "${HOST_COMPILER[@]}" "${PAGE[@]}" ;;
    *) usage ;;
    esac | sort -u
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and sudo is not installed: $*
Run this script as root once, or install sudo."
    fi
}

# can_compile COMPILER: it is there, with a C library.
can_compile() {
    command -v "$1" >/dev/null && [ "$("$1" -print-file-name=libc.a)" != libc.a ]
}

# For `make`: by what is there and not by package names, so that it works without dpkg.
check_compilers() {
    local missing=()
    command -v cargo >/dev/null || die "cargo is not installed; install Rust as https://rustup.rs says"
    can_compile gcc || missing+=(gcc libc6-dev)
    command -v readelf >/dev/null || missing+=(binutils)
    can_compile aarch64-linux-gnu-gcc || missing+=("${PI_COMPILER[@]}")
    can_compile arm-linux-gnueabihf-gcc || missing+=(gcc-arm-linux-gnueabihf libc6-dev-armhf-cross)
    if [ ${#missing[@]} -eq 0 ]; then mapfile -t missing < <(missing_rust aarch64 armv7); fi
    [ ${#missing[@]} -eq 0 ] || die "compilers are missing. On Debian or Ubuntu, install them as root with
    apt-get install --no-install-recommends ${missing[*]}"
}

# missing_rust ARCH...: packages of Debian's Rust, which builds what rustup has no target for (see build-card-programs.sh).
missing_rust() {
    local arch packages
    packages=$(missing rustc-web rust-web-src)
    [ -n "$packages" ] || return 0
    for arch in "$@"; do
        if [ "$arch" != "$(uname -m)" ] && ! "$here/musl-target.sh" "$arch" >/dev/null; then
            echo "$packages"
            return
        fi
    done
}

# missing PACKAGE...: those that dpkg does not have as installed, one a line.
missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# install GROUP: its packages that are missing.
install() {
    local wanted missing
    mapfile -t wanted < <(packages "$1")
    mapfile -t missing < <(missing "${wanted[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "make $1 needs ${#wanted[@]} Debian packages; ${#missing[@]} of them are missing and will be installed: ${missing[*]}"
    apt_install "${missing[@]}"
}

# install_rust ARCH...: Debian's Rust, where one of these needs it.
install_rust() {
    local missing
    command -v cargo >/dev/null || die "cargo is not installed; install Rust as https://rustup.rs says"
    mapfile -t missing < <(missing_rust "$@")
    if [ ${#missing[@]} -gt 0 ]; then
        say "rustup has no target for one of $*; Debian's Rust will be installed beside it: ${missing[*]}"
        apt_install "${missing[@]}"
    fi
    # One that was there before may be older, and the source is for one compiler.
    [ "$(version rustc-web)" = "$(version rust-web-src)" ] || apt_install rustc-web rust-web-src
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

# Empty where it is not installed.
version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true; }

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

# A full disk shows late, as a failure of whatever test writes then.
tell_space() {
    local free
    free=$(df --output=avail -BG "$here" | tail -n 1 | tr -dc 0-9)
    [ "$free" -ge 35 ] ||
        say "only $free GB are free here: the first make test writes up to 35 GB, half of it into target, and later ones need 15 GB"
}

[ $# -gt 0 ] || usage
case $1 in
--check)
    check_compilers
    exit
    ;;
--list)
    packages "${2-}"
    exit
    ;;
esac
command -v dpkg-query >/dev/null || die "dpkg is not installed; this script installs on Debian 12 only"
case $1 in
build)
    install build
    install_rust aarch64 armv7
    ;;
page-test) install page-test ;;
demo)
    install demo
    install_rust aarch64
    enable_arm64_programs
    ;;
test)
    tell_space
    install test
    install_rust aarch64 armv7
    enable_arm64_programs
    ;;
windows)
    install windows
    ;;
*) usage ;;
esac
