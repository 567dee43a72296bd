#!/usr/bin/env bash
# Builds the programs that go onto the card, static:
#   target/card/<arch>/hc-firstboot
#   target/card/<arch>/k3s-double    with --with-double (the stand-in for k3s in boot tests; not for armv7, which none boots)
#
#   build-card-programs.sh [--arch ARCH]... [--with-double] [--profile PROFILE] [--out DIR]
#
# Without --arch for aarch64, armv7 and x86_64. --profile is a cargo profile, `card` unless given: small programs that
# take long to compile. --out takes the place of target/card.
#
# Each architecture is built by the first of these ways that this machine has:
#   1. the toolchain's musl target, installed or installable by rustup;
#   2. this machine's own architecture: the installed toolchain against static glibc;
#   3. Arm: Debian's own Rust against static glibc, with the standard library compiled from the source that Debian has
#      for it. (Its compiled one is a package of a foreign architecture: the whole machine's apt would have to follow
#      that one too, and all of them in one version.)
# A file that comes out the same is left untouched, so that nothing built from it is built again. Installs nothing but
# a target of rustup's toolchain.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
build_dir=${CARGO_TARGET_DIR:-$root/target}
out_dir=$root/target/card

say() { printf 'card programs: %s\n' "$*" >&2; }

die() {
    say "$*"
    exit 1
}

# cargo_build WAY TARGET RUSTFLAGS PACKAGE...: each way has a folder of its own, since they use different
# compilers; RUSTFLAGS count for TARGET only, so that build scripts and macros still build for this machine.
# One package a call: two in one share the features of their dependencies, so that hc-firstboot with the double beside
# it would be another program than alone, and be built anew each time. For the same reason the linker is named for
# TARGET only.
cargo_build() {
    local way=$1 target=$2 flags=$3 gcc package
    shift 3
    case $target in
    armv7-*) gcc=arm-linux-gnueabihf-gcc ;;
    *) gcc=${target%%-*}-linux-gnu-gcc ;;
    esac
    command -v "$gcc" >/dev/null || die "$gcc is not installed; run 'scripts/setup.sh build'"
    local upper=${target^^} tools
    tools=("CC_${target//-/_}=$gcc" "CARGO_TARGET_${upper//-/_}_LINKER=$gcc")
    for package in "$@"; do
        (cd "$root" && env "${tools[@]}" CARGO_TARGET_DIR="$build_dir/card-$way" RUSTFLAGS="$flags" \
            cargo build --locked --quiet --profile "$(profile_of "$package")" --target "$target" --package "$package" --bin "$package") ||
            die "building $package for $target failed (see above)"
    done
    built=$build_dir/card-$way/$target
}

# The stand-in goes onto the cards of tests alone: its size does not matter, and link-time optimisation takes minutes.
profile_of() { if [ "$1 $profile" = "k3s-double card" ]; then echo test-card; else echo "$profile"; fi; }

# build ARCH PACKAGE...: sets `built` to the folder with the folders of profiles with the programs.
build() {
    local arch=$1 target abi=
    shift
    [ "$arch" != armv7 ] || abi=eabihf
    if target=$("$here/musl-target.sh" "$arch"); then
        say "building $* for $arch (musl)"
        cargo_build musl "$target" "-C target-feature=+crt-static" "$@"
    elif [ "$arch" = "$(uname -m)" ]; then
        say "building $* for $arch (static glibc)"
        cargo_build glibc "$arch-unknown-linux-gnu" "-C target-feature=+crt-static" "$@"
    elif [ "$arch" != x86_64 ] && has_debian_rust; then
        say "building $* for $arch (Debian's Rust, static glibc)"
        # Compiling the standard library is for nightly compilers, unless this variable is set. Here compiler and source
        # are of one version.
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_abort \
            cargo_build debian-rust "$arch-unknown-linux-gnu$abi" "-C target-feature=+crt-static" "$@"
    else
        die "rustup has no target $arch-unknown-linux-musl$abi, and Debian's Rust is not installed; install it as root with
    apt-get install --no-install-recommends rustc-web rust-web-src"
    fi
}

has_debian_rust() {
    local rust source
    rust=$(dpkg-query -W -f '${Version}' rustc-web 2>/dev/null) &&
        source=$(dpkg-query -W -f '${Version}' rust-web-src 2>/dev/null) && [ "$rust" = "$source" ]
}

# check ARCH FILE: really for that machine and really static: no program interpreter, no shared library.
check() {
    local machine
    machine=$(readelf -hW "$2" | sed -n 's/^ *\(Class\|Machine\): *//p' | paste -sd' ')
    case $1:$machine in
    aarch64:'ELF64 AArch64' | armv7:'ELF32 ARM' | x86_64:'ELF64 '*X86-64) ;;
    *) die "$2 is for '$machine', not for $1" ;;
    esac
    if readelf -lW "$2" | grep -q INTERP || readelf -dW "$2" | grep -q NEEDED; then
        die "$2 is not static: it would depend on the image's C library"
    fi
}

usage() {
    say "usage: $(basename "$0") [--arch aarch64|armv7|x86_64]... [--with-double] [--profile PROFILE] [--out DIR]"
    exit 2
}

packages=(hc-firstboot) archs=() profile=card
while [ $# -gt 0 ]; do
    case $1 in
    --with-double) packages+=(k3s-double) ;;
    --arch | --profile | --out)
        [ $# -ge 2 ] || usage
        case $1 in
        --arch) archs+=("$2") ;;
        --profile) profile=$2 ;;
        --out) out_dir=$2 ;;
        esac
        shift
        ;;
    *) usage ;;
    esac
    shift
done
[ ${#archs[@]} -gt 0 ] || archs=(aarch64 armv7 x86_64)

for arch in "${archs[@]}"; do
    case $arch in aarch64 | armv7 | x86_64) ;; *) usage ;; esac
    wanted=()
    for package in "${packages[@]}"; do
        [ "$package $arch" = "k3s-double armv7" ] || wanted+=("$package")
    done
    build "$arch" "${wanted[@]}"
    mkdir -p "$out_dir/$arch"
    for package in "${wanted[@]}"; do
        program=$built/$(profile_of "$package")/$package
        check "$arch" "$program"
        cmp -s "$program" "$out_dir/$arch/$package" || cp "$program" "$out_dir/$arch/$package"
        echo "$out_dir/$arch/$package"
    done
done
