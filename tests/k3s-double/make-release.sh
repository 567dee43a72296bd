#!/usr/bin/env bash
# Lays out a k3s release folder, with the names and sum files of the real one, around the stand-in.
# The same inputs give the same bytes. The image in it is one tiny file, enough to be imported and named.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: make-release.sh OUT_DIR [--bin-aarch64 FILE] [--bin-armv7 FILE] [--bin-x86_64 FILE]
                       [--pad-binary BYTES] [--pad-images BYTES]

  OUT_DIR             made here; must be empty or not there
  --bin-aarch64 FILE  k3s-double, static, for aarch64; one architecture at least
  --bin-armv7 FILE    the same for 32-bit Arm
  --bin-x86_64 FILE   the same for x86_64
  --pad-binary BYTES  grow each binary to BYTES with incompressible bytes behind its end (it still runs)
  --pad-images BYTES  grow each image archive by BYTES of incompressible bytes, which zstd skips
EOF
}

fail() {
    echo "make-release.sh: $1" >&2
    exit "${2:-1}"
}

need() { command -v "$1" >/dev/null || fail "$1 is missing: apt-get install $2"; }

# Incompressible, and the same each time: a stream cipher's output under a fixed key. (head closes the pipe
# early, which openssl takes for an error; the size is checked instead.)
noise() {
    local bytes=$1 label=$2 key
    key=$(printf '%s' "$label" | sha256sum | cut -c1-64)
    openssl enc -aes-256-ctr -K "$key" -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null |
        head -c "$bytes" || true
}

# tar without anything of this machine or this moment in it.
tar_of() {
    tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        --mtime=@0 --directory "$1" "${@:2}"
}

digest() { sha256sum "$1" | cut -d' ' -f1; }

# One image in the form of `docker save`: manifest.json, the image's configuration, one layer.
make_images() {
    local arch=$1 out=$2 tree=$work/images-$1 layer config
    mkdir -p "$tree/root"
    echo "k3s-double: a stand-in for tests, not an image that runs" >"$tree/root/README"
    tar_of "$tree/root" . >"$tree/layer.tar"
    rm -r "$tree/root"
    layer=$(digest "$tree/layer.tar")
    mv "$tree/layer.tar" "$tree/$layer.tar"
    printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
        "$arch" "$layer" >"$tree/config"
    config=$(digest "$tree/config")
    mv "$tree/config" "$tree/$config.json"
    printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":["%s.tar"]}]\n' "$config" "$image" "$layer" \
        >"$tree/manifest.json"
    # One thread and a window of 2 MiB: the same bytes everywhere, and readable by k3s (limit 32 MiB).
    tar_of "$tree" "$config.json" "$layer.tar" manifest.json |
        zstd --quiet --single-thread -3 --zstd=wlog=21 -o "$out"
    [ "$pad_images" -eq 0 ] || skippable_frame "$pad_images" "images-$arch" >>"$out"
}

# Bytes that a reader of zstd passes over (RFC 8878, section 3.1.2): so the padding is written once, and not also as a
# file, a layer and an archive, which for a test's 700 MB took gigabytes.
skippable_frame() {
    local bytes=$1 label=$2 bits
    printf '\x50\x2a\x4d\x18'
    for bits in 0 8 16 24; do
        # shellcheck disable=SC2059 # the byte is the format
        printf "\\x$(printf %02x $((bytes >> bits & 255)))"
    done
    noise "$bytes" "$label"
}

make_binary() {
    local from=$1 out=$2 size
    install -m 0755 "$from" "$out"
    size=$(stat --format=%s "$out")
    [ "$pad_binary" -eq 0 ] && return
    [ "$pad_binary" -ge "$size" ] || fail "--pad-binary $pad_binary: $from has $size bytes already"
    noise $((pad_binary - size)) "$(basename "$out")" >>"$out"
    [ "$(stat --format=%s "$out")" -eq "$pad_binary" ] || fail "padding $out: the noise came out too short"
}

image=docker.io/rancher/k3s-double:v1.36.2-k3s1
out_dir='' bin_aarch64='' bin_armv7='' bin_x86_64='' pad_binary=0 pad_images=0
while [ $# -gt 0 ]; do
    case $1 in
    --bin-aarch64 | --bin-armv7 | --bin-x86_64 | --pad-binary | --pad-images)
        [ $# -ge 2 ] || fail "$1 needs a value" 2
        name=${1#--}
        printf -v "${name//-/_}" '%s' "$2"
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && fail "unknown option $1" 2 ;;
    *)
        [ -z "$out_dir" ] || fail "two output folders: $out_dir and $1" 2
        out_dir=$1
        shift
        ;;
    esac
done
if [ -z "$out_dir" ] || [ -z "$bin_aarch64$bin_armv7$bin_x86_64" ]; then
    usage >&2
    exit 2
fi
for number in "$pad_binary" "$pad_images"; do
    [[ $number =~ ^[0-9]+$ ]] || fail "$number is not a number of bytes" 2
done
for file in "$bin_aarch64" "$bin_armv7" "$bin_x86_64"; do
    [ -z "$file" ] || [ -f "$file" ] || fail "$file: no such file"
done
need zstd zstd
need openssl openssl

mkdir -p "$out_dir"
[ -z "$(ls -A "$out_dir")" ] || fail "$out_dir is not empty"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "$image" >"$out_dir/k3s-images.txt"

# release BINARY ARCH PROGRAM: what the release has for an architecture, where a binary is given.
release() {
    [ -n "$1" ] || return 0
    make_binary "$1" "$out_dir/$3"
    make_images "$2" "$out_dir/k3s-airgap-images-$2.tar.zst"
    (cd "$out_dir" && sha256sum "k3s-airgap-images-$2.tar.zst" "$3" k3s-images.txt) >"$out_dir/sha256sum-$2.txt"
}

# As k3s has it: the program for 32-bit Arm is called armhf, what goes with it arm.
release "$bin_aarch64" arm64 k3s-arm64
release "$bin_armv7" arm k3s-armhf
release "$bin_x86_64" amd64 k3s
