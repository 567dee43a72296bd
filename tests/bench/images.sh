#!/usr/bin/env bash
# Container images from a registry of this machine: pulling 1 GB of layers against skopeo, and what an archive of ten images
# that share a base takes beyond their layers.
#
# `hcimage plan` pulls the layers into the cache, writes the archive for the nodes from them and plans a node. What it takes
# with the layers in the cache and without the archive is measured apart: the difference is the pull, which is compared with
# `skopeo copy` into an OCI layout. Both end on the disk. The ways take turns. Prints medians and ratios; asserts nothing,
# since a busy machine is no defect.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-5}
layers=10
layer_bytes=100000000
shared=8
more_images=10
more_bytes=5000000
source tests/bench/lib.sh
registry=
trap '[ -z "$registry" ] || kill "$registry" 2>/dev/null; rm -rf "$work"' EXIT

say "preparing: base image, k3s release, and a registry with images of $layers layers"
base=$(tests/bases/make.sh debian-pi-arm64)
release=$work/v1.36.2+k3s1
tests/k3s-double/make-release.sh "$release" \
    --bin-aarch64 target/card/aarch64/k3s-double --bin-armv7 target/card/armv7/hc-firstboot \
    --bin-x86_64 target/card/x86_64/k3s-double >&2

# An OCI layout, filled by hand.
layout=$work/layout
mkdir -p "$layout/blobs/sha256" "$work/root"
printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"

# blob FILE: takes it into the layout; prints its digest and size.
blob() {
    local digest size
    digest=$(sha256sum <"$1" | cut -d' ' -f1)
    size=$(stat --format=%s "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
    printf '%s %s' "$digest" "$size"
}

# layer SEED BYTES: prints descriptor, digest of the unpacked layer and size, one a line. The bytes do not pack.
layer() {
    local digest size unpacked
    head -c "$2" /dev/zero | openssl enc -aes-128-ctr -nosalt -pbkdf2 -pass "pass:$1" 2>/dev/null >"$work/root/file-$1"
    tar -C "$work/root" --mtime=@0 -cf "$work/tar" "file-$1"
    rm "$work/root/file-$1"
    unpacked=$(sha256sum <"$work/tar" | cut -d' ' -f1)
    zstd -1 --quiet --force --rm "$work/tar" -o "$work/layer"
    read -r digest size < <(blob "$work/layer"; echo)
    printf '{"mediaType":"application/vnd.oci.image.layer.v1.tar+zstd","digest":"sha256:%s","size":%s}\n%s\n%s\n' \
        "$digest" "$size" "$unpacked" "$size"
}

# image NAME DESCRIPTORS DIFF_IDS: adds an image of these layers and has skopeo push it.
image() {
    local digest size
    printf '{"architecture":"arm64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[%s]}}' "$3" >"$work/config"
    read -r digest size < <(blob "$work/config"; echo)
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[%s]}' \
        "$digest" "$size" "$2" >"$work/manifest"
    read -r digest size < <(blob "$work/manifest"; echo)
    printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s}]}' \
        "$digest" "$size" >"$layout/index.json"
    skopeo copy --quiet --dest-tls-verify=false "oci:$layout" "docker://127.0.0.1:$port/bench/$1:1"
}

# serve: starts Debian's docker-registry at the first free port from 5500 on.
serve() {
    local program tries
    program=$(tests/bases/make.sh --unpacked docker-registry)/usr/bin/docker-registry
    for ((port = 5500; port < 5600; port++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    printf 'version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: %s}\nhttp:\n  addr: 127.0.0.1:%s\n' \
        "$work/storage" "$port" >"$work/registry.yml"
    OTEL_TRACES_EXPORTER=none "$program" serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
    registry=$!
    for ((tries = 0; tries < 600; tries++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        sleep 0.1
    done
    cat "$work/registry.log" >&2
    exit 1
}

serve
descriptors=() unpacked=() distinct=0
for ((number = 0; number < layers + more_images; number++)); do
    bytes=$layer_bytes
    ((number < layers)) || bytes=$more_bytes
    mapfile -t made < <(layer "$number" "$bytes")
    descriptors+=("${made[0]}")
    unpacked+=("\"sha256:${made[1]}\"")
    ((number >= shared && number < layers)) || distinct=$((distinct + made[2]))
done
join() { local IFS=,; printf '%s' "$*"; }
image big "$(join "${descriptors[@]:0:layers}")" "$(join "${unpacked[@]:0:layers}")"
for ((number = layers; number < layers + more_images; number++)); do
    image "more-$number" "$(join "${descriptors[@]:0:shared}" "${descriptors[number]}")" \
        "$(join "${unpacked[@]:0:shared}" "${unpacked[number]}")"
done
rm -rf "$layout"

plan() {
    local name=$1
    shift
    (cd "$work" && HCIMAGE_CACHE=$work/cache measure "$name" "$hcimage" plan --board cm4 --base "$base" --k3s "$release" "$@")
}
archive() { find "$work/cache" -name 'hcimage-images-arm64.tar'; }
big=(--image "127.0.0.1:$port/bench/big:1")

for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    rm -rf "$work/cache" "$work/hcimage.lock"
    plan all "${big[@]}"
    rm -rf "$work/cache/made" "$(archive)"
    plan archive "${big[@]}"
    plan rest "${big[@]}"
    rm -rf "$work/oci"
    measure skopeo skopeo copy --quiet --src-tls-verify=false "docker://127.0.0.1:$port/bench/big:1" "oci:$work/oci:big"
    rm -rf "$work/oci"
done

rm -rf "$work/cache" "$work/hcimage.lock"
ten=()
for ((number = layers; number < layers + more_images; number++)); do ten+=(--image "127.0.0.1:$port/bench/more-$number:1"); done
plan ten "${ten[@]}"
archived=$(stat --format=%s "$(archive)")

pull=$(awk -v a="$(median all)" -v b="$(median archive)" 'BEGIN { printf "%.2f", a - b }')

cat <<END
image of $layers layers with $(numfmt --to=si --suffix=B $((layers * layer_bytes))), median of $rounds rounds, $(nproc) processors
  hcimage plan                         $(median all) s   with all layers in the cache: $(median archive) s   with the archive, too: $(median rest) s
  of it, the pull                      $pull s
  skopeo copy                          $(median skopeo) s   ratio $(ratio "$pull" "$(median skopeo)")   goal: at most 1.2
  peak memory of hcimage               $(peak all) MiB   goal: at most 64 MiB (that of skopeo: $(peak skopeo) MiB)
$more_images images that share $shared layers
  archive                              $(numfmt --to=si --format=%.3f --suffix=B "$archived")   its distinct layers: $(numfmt --to=si --format=%.3f --suffix=B "$distinct")   ratio $(awk -v a="$archived" -v b="$distinct" 'BEGIN { printf "%.4f", a / b }')   goal: at most 1.05
  peak memory of hcimage               $(peak ten) MiB   goal: at most 64 MiB
END
