#!/usr/bin/env bash
# From a clean machine to a node that is Ready, in QEMU: packages, a base in the shape of Raspberry Pi OS, hcimage, the
# image, the boot. Compiles for the one architecture that boots, and without optimisations that a demo does not need: nothing in
# target/release or target/card is made or changed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin # an ordinary user's PATH lacks mkfs on Debian
root=$PWD
started=$SECONDS
programs=$root/target/demo-card

say() { printf '\n== %s (%d s)\n' "$*" "$((SECONDS - started))" >&2; }

say "installing what is missing"
scripts/setup.sh demo

# The base is unpacked and packed, mostly on one core; the compiler uses the other meanwhile.
say "a base in the shape of Raspberry Pi OS, and hcimage"
log=$(mktemp)
tests/bases/make.sh pi-os-bookworm-like >"$log" &
making=$!
trap 'kill "$making" 2>/dev/null || true; rm -f "$log"' EXIT
scripts/build-card-programs.sh --arch aarch64 --with-double --profile demo --out "$programs" >&2
HCIMAGE_CARD_PROGRAMS=$programs cargo build --profile demo --locked --package hcimage
wait "$making"
base=$(cat "$log")
hcimage=${CARGO_TARGET_DIR:-target}/demo/hcimage

# The real k3s comes from the internet; where that is not available a stand-in takes its place.
release=target/demo-k3s/v1.36.2+k3s1
rm -rf target/demo-k3s
tests/k3s-double/make-release.sh "$release" --bin-aarch64 "$programs/aarch64/k3s-double" >&2
say "NOTE: two stand-ins: k3s-double for k3s, and a base with Debian's kernel and no firmware of a Pi. It boots in QEMU only"

say "hcimage build --board cm4"
mkdir -p out
rm -f out/data.img
truncate -s 256M out/data.img
mkfs.ext4 -q -L k8s-data out/data.img
"$hcimage" build --board cm4 --base "$base" --k3s "$release" --data-disk k8s-data \
    --output out/hc-1-cm4.img --lock out/hcimage.lock --overwrite | tee out/summary.txt

say "booting a copy of it"
"$hcimage" run --board cm4 --data-disk out/data.img out/hc-1-cm4.img 2>out/console.log ||
    { tail -n 60 out/console.log >&2; exit 1; }
sed -n '/^hcimage first boot/,$p' out/console.log | tr -d '\r'

say "done"
grep -q 'node hc-1 Ready' out/console.log
printf 'node hc-1 Ready (in QEMU, with the stand-ins)\nimage: %s\n' "$root/out/hc-1-cm4.img"
sed -n 's/^flash it: /an image for a Pi, which `hcimage build --board cm4` makes, is flashed like this: /p' out/summary.txt
