#!/usr/bin/env bash
# Builds Helm from its Go module, for `make helm-test`. Installs nothing.
#
#   build.sh DIR   puts the program into DIR, where it is not there yet
#
# The first build takes about ten minutes of a processor.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

if [ ! -x "$dir/helm" ]; then
    command -v go >/dev/null || { echo "helm/build.sh: go is missing: install Go 1.26 or later" >&2; exit 1; }
    version=$(awk '$2 == "helm.sh/helm/v4" { print $3; exit } $1 == "helm.sh/helm/v4" { print $2; exit }' "$here/go.mod")
    echo "building Helm $version"
    (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false \
        -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$version" \
        -o "$dir/helm.new" helm.sh/helm/v4/cmd/helm)
    mv "$dir/helm.new" "$dir/helm"
fi
