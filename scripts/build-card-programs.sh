#!/usr/bin/env bash
# Builds the programs that go onto the card, static, for aarch64, armv7 and x86_64:
#   target/card/<arch>/hc-firstboot
#   target/card/<arch>/k3s-double    with --with-double (the stand-in for k3s in boot tests)
#
# Each architecture is built by the first of these ways that this machine has:
#   1. the toolchain's musl target, installed or installable by rustup;
#   2. this machine's own architecture: the installed toolchain against static glibc;
#   3. Arm: Debian's own Rust against static glibc, with the standard library compiled from the source that Debian has
#      for it. (Its compiled one is a package of a foreign architecture: the whole machine's apt would have to follow
#      that one too, and all of them in one version.)
# A file that comes out the same is left untouched, so that nothing built from it is built again.
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

has_musl_target() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$1" && return
    say "asking rustup for $1"
    # With no network this fails at once; a network that swallows everything must not hold us up.
    timeout 60 rustup target add "$1" >/dev/null 2>&1
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
    command -v "$gcc" >/dev/null || die "$gcc is not installed; run scripts/setup.sh"
    local upper=${target^^} tools
    tools=("CC_${target//-/_}=$gcc" "CARGO_TARGET_${upper//-/_}_LINKER=$gcc")
    for package in "$@"; do
        (cd "$root" && env "${tools[@]}" CARGO_TARGET_DIR="$build_dir/card-$way" RUSTFLAGS="$flags" \
            cargo build --locked --quiet --profile card --target "$target" --package "$package" --bin "$package") ||
            die "building $package for $target failed (see above)"
    done
    built=$build_dir/card-$way/$target/card
}

# build ARCH PACKAGE...: sets `built` to the folder with the programs.
build() {
    local arch=$1 abi=
    shift
    [ "$arch" != armv7 ] || abi=eabihf
    if has_musl_target "$arch-unknown-linux-musl$abi"; then
        say "building $* for $arch (musl)"
        cargo_build musl "$arch-unknown-linux-musl$abi" "-C target-feature=+crt-static" "$@"
    elif [ "$arch" = "$(uname -m)" ]; then
        say "building $* for $arch (static glibc)"
        cargo_build glibc "$arch-unknown-linux-gnu" "-C target-feature=+crt-static" "$@"
    elif [ "$arch" != x86_64 ]; then
        say "building $* for $arch (Debian's Rust, static glibc)"
        "$here/setup.sh" debian-rust >&2
        # Compiling the standard library is for nightly compilers, unless this variable is set. Here compiler and source
        # are of one version.
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_abort \
            cargo_build debian-rust "$arch-unknown-linux-gnu$abi" "-C target-feature=+crt-static" "$@"
    else
        die "no way to build for $arch here: 'rustup target add $arch-unknown-linux-musl' does not succeed"
    fi
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

packages=(hc-firstboot)
case ${1-} in
'') ;;
--with-double) packages+=(k3s-double) ;;
*) die "usage: $(basename "$0") [--with-double]" ;;
esac

for arch in aarch64 armv7 x86_64; do
    build "$arch" "${packages[@]}"
    mkdir -p "$out_dir/$arch"
    for package in "${packages[@]}"; do
        check "$arch" "$built/$package"
        cmp -s "$built/$package" "$out_dir/$arch/$package" || cp "$built/$package" "$out_dir/$arch/$package"
        echo "$out_dir/$arch/$package"
    done
done
