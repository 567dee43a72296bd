#!/bin/sh
# Prints the toolchain's static target for ARCH (aarch64, armv7, x86_64), which rustup has or can get; else fails.
#
#   musl-target.sh ARCH
set -eu

target=$1-unknown-linux-musl
[ "$1" != armv7 ] || target=${target}eabihf
"$(dirname "$0")/rust-target.sh" "$target"
echo "$target"
