#!/bin/sh
# Prints the toolchain's static target for ARCH (aarch64, armv7, x86_64), which rustup has or can get; else fails.
#
#   musl-target.sh ARCH
set -eu

target=$1-unknown-linux-musl
[ "$1" != armv7 ] || target=${target}eabihf
command -v rustup >/dev/null || exit 1
if ! rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    echo "asking rustup for $target" >&2
    # Without a network this fails at once; a network that answers nothing must not stop us for long.
    timeout 60 rustup target add "$target" >/dev/null 2>&1
fi
echo "$target"
