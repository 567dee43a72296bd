#!/usr/bin/env bash
# What each further node of a cluster costs `hcimage build`, against a sparse copy of the same image.
#
# Clusters of two sizes take turns with plain copies, so that what else the machine does meets all. Both ways end on the
# disk. Prints medians and a ratio; asserts nothing, since a busy machine is no defect.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-5}
few=1
many=${NODES:-6}
source tests/bench/lib.sh

say "preparing: base image, and a k3s release of real size around the stand-in"
base=$(tests/bases/make.sh debian-pi-arm64)
release=$work/v1.36.2+k3s1
tests/k3s-double/make-release.sh "$release" \
    --bin-aarch64 target/card/aarch64/k3s-double --bin-armv7 target/card/armv7/hc-firstboot \
    --bin-x86_64 target/card/x86_64/k3s-double \
    --pad-binary 75000000 --pad-images 200000000 >&2

# cluster NODES: a folder with the file of such a cluster.
cluster() {
    local folder=$work/$1 i
    mkdir "$folder"
    {
        printf 'schema = 1\nname = "bench"\n[network]\nsubnet = "10.9.0.0/16"\ngateway = "10.9.0.1"\n'
        printf 'dns = ["10.9.0.1"]\n[boards.cm4]\nbase = "%s"\n' "$base"
        for ((i = 1; i <= $1; i++)); do
            printf '[[nodes]]\nname = "n-%d"\nboard = "cm4"\naddress = "10.9.1.%d"\n' "$i" "$i"
            if ((i == 1)); then printf 'role = "server"\n'; else printf 'role = "agent"\n'; fi
        done
    } >"$folder/cluster.toml"
}

build() {
    rm -rf "$work/$1/out"
    (cd "$work/$1" && measure "nodes-$1" "$hcimage" build --k3s "$release" --lock lock)
}
cluster "$few"
cluster "$many"
build "$few"
rm -f "$work/nodes-$few"

for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    build "$few"
    build "$many"
    rm -f "$work/copy"
    measure plain bash -c 'cp --reflink=never --sparse=always "$0" "$1" && sync "$1"' "$work/$few/out/n-1.img" "$work/copy"
done

reflinks=no
cp --reflink=always "$work/copy" "$work/clone" 2>/dev/null && reflinks=yes

cat <<END
$(stat --format=%s "$work/copy" | numfmt --to=iec-i --suffix=B) image with $(du --block-size=1 "$work/copy" | cut -f1 | numfmt --to=iec-i --suffix=B) of data, median of $rounds rounds; reflinks: $reflinks
  cluster of $few                     $(median "nodes-$few") s
  cluster of $many                     $(median "nodes-$many") s
$(awk -v few="$(median "nodes-$few")" -v many="$(median "nodes-$many")" -v n="$((many - few))" -v copy="$(median plain)" 'BEGIN {
    node = (many - few) / n
    printf "  each further node                %.2f s\n  sparse copy of its image, synced %.2f s   ratio %.2f   goal: at most 1.1 (with reflinks: 0.3 s)\n", node, copy, node / copy }')
END
