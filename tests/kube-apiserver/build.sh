#!/usr/bin/env bash
# Builds parts of Kubernetes from their Go modules, unpacks Debian's etcd, and takes helm-controller's definitions, for
# `make api-test`, `make overlay-judge`, `make node-judge` and `make database-test`. Installs nothing.
#
#   build.sh DIR                   kube-apiserver, etcd and the definitions, where DIR does not have them yet
#   build.sh --control-plane DIR   and kube-controller-manager, kube-scheduler, etcd 3.6, and kwok with what it plays
#   build.sh --node DIR            and all of these, kubelet and kube-proxy
#   build.sh --kine DIR            the first three and kine, for `make database-test`
#
# The first build of kube-apiserver takes about eight minutes of a processor and 4 GB in Go's caches, the rest three more minutes.
set -euo pipefail

usage() {
    sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

programs=(kube-apiserver)
with_kine=
case ${1-} in
--control-plane)
    programs+=(kube-controller-manager kube-scheduler)
    shift
    ;;
--node)
    programs+=(kube-controller-manager kube-scheduler kubelet kube-proxy)
    shift
    ;;
--kine)
    with_kine=1
    shift
    ;;
esac
[ $# -eq 1 ] || usage
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)

die() {
    printf 'kube-apiserver/build.sh: %s\n' "$*" >&2
    exit 1
}

need_go() {
    command -v go >/dev/null || die "go is missing: install Go 1.26 or later"
}

# Where Go has unpacked a module that a go.mod here names: FOLDER MODULE.
module() {
    local found
    found=$(cd "$here/$1" && go mod download -json "$2")
    sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$found"
}

version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/go.mod")
minor=${version#v1.}

for program in "${programs[@]}"; do
    [ ! -x "$dir/$program" ] || continue
    need_go
    echo "building $program $version"
    # Without these it calls itself v0.0.0-master, and clients take it for another version.
    set_version="-X k8s.io/component-base/version.gitVersion=$version
        -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=${minor%%.*}"
    (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w ${set_version//$'\n'/ }" \
        -o "$dir/$program.new" "k8s.io/kubernetes/cmd/$program")
    mv "$dir/$program.new" "$dir/$program"
done

# kwok watches in a way that Debian's etcd 3.4 cannot serve.
if [ "${#programs[@]}" -gt 1 ] && [ ! -x "$dir/etcd-3.6" ]; then
    need_go
    echo "building etcd"
    (cd "$here" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" \
        -o "$dir/etcd-3.6.new" go.etcd.io/etcd/server/v3)
    mv "$dir/etcd-3.6.new" "$dir/etcd-3.6"
fi

for kind in helmcharts helmchartconfigs; do
    [ ! -f "$dir/$kind.yaml" ] || continue
    need_go
    crds=$(module definitions github.com/k3s-io/helm-controller)/pkg/crds/yaml/generated
    install -m 644 "$crds/helm.cattle.io_$kind.yaml" "$dir/$kind.yaml"
done

if [ "${#programs[@]}" -gt 1 ] && [ ! -x "$dir/kwok" ]; then
    need_go
    echo "building kwok"
    stages=$(module kwok sigs.k8s.io/kwok)/kustomize/stage
    # What it plays: nodes that are ready, pods that run or complete at once, and volumes for claims of every class.
    for stage in node/fast/node-initialize node/heartbeat-with-lease/node-heartbeat-with-lease \
        pod/fast/pod-{ready,complete,delete} volume/fast/{pvc-provision,pvc-delete,pv-bind,pv-delete}; do
        echo ---
        sed "s/self.spec.storageClassName == 'kwok-volume'/has(self.spec.storageClassName)/" "$stages/$stage.yaml"
    done >"$dir/kwok.yaml"
    (cd "$here/kwok" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" \
        -o "$dir/kwok.new" sigs.k8s.io/kwok/cmd/kwok)
    mv "$dir/kwok.new" "$dir/kwok"
fi

if [ -n "$with_kine" ] && [ ! -x "$dir/kine" ]; then
    need_go
    echo "building kine"
    # Without C there is no SQLite, which no database elsewhere needs.
    (cd "$here/kine" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w" \
        -o "$dir/kine.new" github.com/k3s-io/kine)
    mv "$dir/kine.new" "$dir/kine"
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
