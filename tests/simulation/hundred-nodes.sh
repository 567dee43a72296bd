#!/usr/bin/env bash
# A cluster of a hundred nodes: all images are built, and then a process for each node joins with what lies on its card.
#
# Not QEMU: the nodes are processes of k3s-double, the stand-in for k3s, in a network namespace of their own with one
# address each. What is proved is that hcimage plans and builds so many nodes, each with its own name, address, password
# and token, and that all of these fit together. The base is Raspberry Pi OS's look-alike without its programs, so that
# the images are small. Prints times; asserts that all nodes are Ready.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin

nodes=${NODES:-100}
seconds=${SECONDS_TO_JOIN:-300}
# As the tests compile it: a release build takes minutes, and the times here are no benchmark.
hcimage=$(realpath "${CARGO_TARGET_DIR:-target}/debug/hcimage")
double=$(realpath target/card/x86_64/k3s-double)
programs=$(realpath target/card)
work=$(mktemp -d /tmp/hcimage-simulation-XXXXXX)
pids=()
end() {
    # Only what was started here.
    if [ ${#pids[@]} -gt 0 ]; then kill "${pids[@]}" 2>/dev/null || true; fi
    rm -rf --one-file-system "$work"
}
trap end EXIT

say() { printf '%s\n' "$*"; }

if [ "${1:-}" != inside ] && ! unshare --net true 2>/dev/null; then
    say "NOT DONE: a hundred addresses need a network namespace, and this user may not make one"
    exit 0
fi

small_base() {
    local base boot=532480
    base=$(tests/bases/make.sh pi-os-bullseye-like)
    mkdir "$work/root"
    # debugfs gives owners where it may; only names and texts matter here.
    debugfs -R "rdump / $work/root" "$base?offset=$((boot * 512))" >/dev/null 2>&1
    rm -rf "$work"/root/usr/{share,include,libexec,games,src} "$work"/root/usr/lib/*-linux-gnu* \
        "$work"/root/usr/lib/{firmware,python3*,git-core} "$work"/root/lib/modules/*/kernel \
        "$work"/root/var/{cache,lib/apt,swap} "$work"/root/lost+found
    find "$work/root/usr/bin" -type f ! -name dpkg -delete
    dd if="$base" of="$work/base.img" bs=1M count=$((boot / 2048)) conv=sparse status=none
    truncate -s $(((boot + 614400) * 512)) "$work/base.img"
    truncate -s 300M "$work/root.ext4"
    mke2fs -q -t ext4 -d "$work/root" "$work/root.ext4"
    dd if="$work/root.ext4" of="$work/base.img" bs=1M seek=$((boot / 2048)) conv=sparse,notrunc status=none
    sfdisk --quiet --no-reread -N 2 "$work/base.img" <<<"$boot,614400" >/dev/null
    rm -rf "$work/root" "$work/root.ext4"
}

# address NUMBER: that of the node, from 10.9.1.1 on.
address() { printf '10.9.%d.%d' "$((1 + $1 / 250))" "$((1 + $1 % 250))"; }

cluster_file() {
    local i
    printf 'schema = 1\nname = "hundred"\n[network]\nsubnet = "10.9.0.0/16"\ngateway = "10.9.0.254"\n'
    printf 'dns = ["10.9.0.254"]\n[boards.cm4]\nbase = "base.img"\n'
    for ((i = 0; i < nodes; i++)); do
        printf '[[nodes]]\nname = "node-%d"\nboard = "cm4"\naddress = "%s"\n' "$i" "$(address "$i")"
        if ((i == 0)); then printf 'role = "server"\n'; else printf 'role = "agent"\n'; fi
    done
}

# card NUMBER: the files of k3s from the node's image.
card() {
    local folder=$work/card/$1 offset=$((532480 * 512))
    mkdir -p "$folder/etc" "$folder/data"
    debugfs -R "rdump /etc/rancher $folder/etc" "$work/out/node-$1.img?offset=$offset" >/dev/null 2>&1
    if (($1 == 0)); then
        mkdir "$folder/data/server"
        debugfs -R "rdump /var/lib/rancher/k3s/server/tls $folder/data/server" \
            "$work/out/node-0.img?offset=$offset" >/dev/null 2>&1
    fi
}

# start NUMBER ROLE: k3s as on that card. Paths on the command line, since those in the card's files are absolute.
start() {
    local folder=$work/card/$1 more=()
    if [ "$2" = server ]; then
        more=(--agent-token-file "$folder/etc/rancher/k3s/agent-token" --write-kubeconfig "$folder/kubeconfig")
    fi
    K3S_DOUBLE_ETC=$folder/etc/rancher "$double" "$2" --data-dir "$folder/data" --lb-server-port 0 \
        --token-file "$folder/etc/rancher/k3s/token" "${more[@]}" >"$folder/log" 2>&1 &
    pids+=($!)
}

ready() { "$double" kubectl get nodes --kubeconfig "$work/kubeconfig" 2>/dev/null | grep -cw Ready || true; }

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }

join() {
    local i begin
    ip link set lo up
    for ((i = 0; i < nodes; i++)); do ip address add "$(address "$i")/16" dev lo; done
    ip route add default dev lo
    cp "$work/out/kubeconfig" "$work/kubeconfig"
    begin=$(now)
    # The agents first, as whoever switches on a rack does.
    for ((i = nodes - 1; i > 0; i--)); do start "$i" agent; done
    start 0 server
    while [ "$(ready)" -lt "$nodes" ]; do
        if awk -v t="$(since "$begin")" -v most="$seconds" 'BEGIN { exit !(t > most) }'; then
            say "only $(ready) of $nodes nodes are Ready after $seconds s; the log of the last one:"
            tail -n 5 "$work/card/$((nodes - 1))/log"
            exit 1
        fi
        sleep 1
    done
    say "$nodes processes of the stand-in for k3s joined and are Ready after $(since "$begin") s"
}

if [ "${1:-}" = inside ]; then
    rmdir "$work"
    work=$2
    trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
    join
    exit 0
fi

say "a small base, and a cluster file with $nodes nodes"
small_base
cluster_file >"$work/cluster.toml"
tests/k3s-double/make-release.sh "$work/v1.36.2+k3s1" --bin-aarch64 "$programs/aarch64/k3s-double" \
    --bin-armv7 "$programs/armv7/hc-firstboot" --bin-x86_64 "$programs/x86_64/k3s-double" >/dev/null
cd "$work"
begin=$(now)
"$hcimage" plan --k3s "v1.36.2+k3s1" --json >plan.json 2>log || { cat log; exit 1; }
say "planned in $(since "$begin") s"
begin=$(now)
"$hcimage" build --k3s "v1.36.2+k3s1" >built 2>log || { cat log; exit 1; }
took=$(since "$begin")
say "$nodes images built in $took s: $(awk -v t="$took" -v n="$nodes" 'BEGIN { printf "%.3f", t / n }') s a node"
for ((i = 0; i < nodes; i += 33)); do
    dd if="out/node-$i.img" of=part bs=1M skip=260 conv=sparse status=none
    e2fsck -fn part >fsck 2>&1 || { cat fsck; exit 1; }
done
for ((i = 0; i < nodes; i++)); do card "$i"; done
cd - >/dev/null
unshare --net -- "$0" inside "$work"
