#!/usr/bin/env bash
# Builds Garage, the program of the overlay object-store, in a folder: build.sh FOLDER. Nothing is installed, and nothing of it is
# part of hcimage. The version is that of the overlay's image.
set -euo pipefail

folder=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's|^name = "docker.io/dxflrs/garage:v\(.*\)"$|\1|p' "$here/../../overlays/object-store/overlay.toml")
[ -n "$version" ] || { echo "build.sh: no version of Garage in the overlay" >&2; exit 1; }
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ -x "$folder/bin/garage" ] && [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ]; then
    exit 0
fi
# With the crates that its makers have locked. The overlay keeps its tables in SQLite.
cargo install garage --version "$version" --locked --no-default-features --features bundled-libs,sqlite,lmdb \
    --root "$folder" --target-dir "$folder/build"
echo "$version" >"$folder/version"
