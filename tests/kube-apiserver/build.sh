#!/usr/bin/env bash
# Builds kube-apiserver from its Go module, unpacks Debian's etcd, and takes helm-controller's definition of HelmChart, for
# `make api-test`. Installs nothing.
#
#   build.sh DIR   puts them into DIR, where they are not there yet
#
# The first build takes about eight minutes of a processor and 4 GB in Go's caches.
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

die() {
    printf 'kube-apiserver/build.sh: %s\n' "$*" >&2
    exit 1
}

version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/go.mod")
minor=${version#v1.}

if [ ! -x "$dir/kube-apiserver" ]; then
    command -v go >/dev/null || die "go is missing: install Go 1.26 or later"
    echo "building kube-apiserver $version"
    # Without these it calls itself v0.0.0-master, and clients take it for another version.
    set_version="-X k8s.io/component-base/version.gitVersion=$version
        -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}"
    (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w ${set_version//$'\n'/ }" \
        -o "$dir/kube-apiserver.new" k8s.io/kubernetes/cmd/kube-apiserver)
    mv "$dir/kube-apiserver.new" "$dir/kube-apiserver"
fi

if [ ! -f "$dir/helmcharts.yaml" ]; then
    command -v go >/dev/null || die "go is missing: install Go 1.26 or later"
    module=$(cd "$here/definitions" && go mod download -json github.com/k3s-io/helm-controller)
    module=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$module")
    install -m 644 "$module/pkg/crds/yaml/generated/helm.cattle.io_helmcharts.yaml" "$dir/helmcharts.yaml"
fi

if [ ! -x "$dir/etcd" ]; then
    command -v apt-get >/dev/null || die "apt-get is missing: put etcd 3.4 or later into $dir"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # Readable for the user that apt downloads as.
    chmod 755 "$work"
    (cd "$work" && apt-get download -q etcd-server && dpkg-deb -x etcd-server_*.deb unpacked)
    cp "$work/unpacked/usr/bin/etcd" "$dir/etcd"
fi
