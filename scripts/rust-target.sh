#!/bin/sh
# Has rustup install the standard library for TARGET where it is missing; fails where it cannot.
#
#   rust-target.sh TARGET
set -eu

command -v rustup >/dev/null || exit 1
if ! rustup target list --installed 2>/dev/null | grep -qx "$1"; then
    echo "asking rustup for $1" >&2
    # Without a network this fails at once; a network that answers nothing must not stop us for long.
    timeout 60 rustup target add "$1" >/dev/null 2>&1
fi
