#!/usr/bin/env bash
# Builds the programs of Kubernetes nodes, and what runs in pods of the overlays, from their Go modules. Installs nothing.
#
#   build.sh DIR [PROGRAM...]   puts the programs into DIR, where they are not there yet; all of them, if none is named
#
# From an empty cache it takes about half an hour of a processor, most of it for Traefik, cert-manager and external-dns, and 6 GB.
set -euo pipefail

[ $# -ge 1 ] || { sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
command -v go >/dev/null || { echo "kube-node/build.sh: go is missing: install Go 1.26 or later" >&2; exit 1; }

work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# The folder of a module that go.mod in the current folder names.
module_folder() {
    go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

# leave_out MODULE [PACKAGE...]: takes a copy of the module in which files of left-out/MODULE stand in the place of its own, since
# what those need cannot be had. Of these packages nothing else is left.
leave_out() {
    local module=$1 copy package
    shift
    copy="$work/$(basename "$PWD")-$(basename "$module")"
    cp -r "$(module_folder "$module")" "$copy"
    chmod -R u+w "$copy"
    for package in "$@"; do rm -f "$copy/$package"/*.go; done
    cp -r "left-out/$module/." "$copy/"
    go mod edit -replace "$module=$copy"
}

# NAME PACKAGE [TAGS]: the program NAME of programs/*/go.mod.
build() {
    local folder=$1 name=$2 package=$3 tags=${4-}
    [ ! -x "$dir/$name" ] || return 0
    echo "building $name"
    rm -rf "$work/$folder"
    cp -r "$here/programs/$folder" "$work/$folder"
    (
        cd "$work/$folder"
        if [ -d left-out ]; then
            while read -ra line; do leave_out "${line[@]}"; done <left-out/modules
        fi
        CGO_ENABLED=0 go build -mod=mod -trimpath -buildvcs=false -tags "$tags" -ldflags "-s -w" -o "$dir/$name.new" "$package"
    )
    mv "$dir/$name.new" "$dir/$name"
}

# FOLDER NAME PACKAGE [TAGS]
programs="
pebble pebble github.com/letsencrypt/pebble/v2/cmd/pebble
coredns coredns github.com/coredns/coredns
kube-router kube-router github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
frp frpc github.com/fatedier/frp/cmd/frpc noweb
frp frps github.com/fatedier/frp/cmd/frps noweb
local-path-provisioner local-path-provisioner github.com/rancher/local-path-provisioner
helm-controller helm-controller github.com/k3s-io/helm-controller
cert-manager cert-manager-controller ./controller
cert-manager cert-manager-webhook ./webhook
cert-manager cert-manager-cainjector ./cainjector
cert-manager cert-manager-acmesolver ./acmesolver
metallb metallb-controller go.universe.tf/metallb/controller
metallb metallb-speaker go.universe.tf/metallb/speaker
external-dns external-dns sigs.k8s.io/external-dns
traefik traefik github.com/traefik/traefik/v3/cmd/traefik
"
# FOLDER MODULE FILE NAME: a file of a module, as DIR/NAME.
take() {
    [ ! -e "$dir/$4" ] || return 0
    local found
    found=$(cd "$here/programs/$1" && module_folder "$2")
    mkdir -p "$(dirname "$dir/$4")"
    cp -r "$found/$3" "$dir/$4.new"
    chmod -R u+w "$dir/$4.new"
    mv "$dir/$4.new" "$dir/$4"
}
take cert-manager github.com/cert-manager/cert-manager deploy/charts/cert-manager charts/cert-manager
take metallb go.universe.tf/metallb charts/metallb charts/metallb
take external-dns sigs.k8s.io/external-dns charts/external-dns charts/external-dns
take traefik github.com/traefik/traefik/v3 docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml \
    traefik-crds.yaml

while read -r folder name package tags; do
    [ -n "$folder" ] || continue
    if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then
        build "$folder" "$name" "$package" "$tags"
    fi
done <<<"$programs"
