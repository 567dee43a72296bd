# What the recipes of base images share: fetching a system, making file systems, laying them into an image.
# Sourced by make.sh in a root shell. No loop device, no mount: each file system is made in a file of its own
# from a folder, judged by its own fsck, and then laid into the image.
# shellcheck shell=bash
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# All times in an image are cut to this one, so that the same packages give (nearly) the same bytes.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1780272000} # 2026-06-01
export E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH             # the same for mke2fs and debugfs
export TZ=UTC LC_ALL=C.UTF-8 MTOOLS_SKIP_CHECK=1
umask 022
PATH=$PATH:/usr/sbin:/sbin

# Nobody reads these in a test, and they cost time: the drivers are those of hardware that neither a Raspberry
# Pi nor QEMU has, and depmod is slow under emulation.
LEFT_OUT=(
    '/usr/share/doc/*'
    '/usr/share/man/*'
    '/usr/share/locale/*'
    '/lib/modules/*/kernel/sound/*'
    '/lib/modules/*/kernel/drivers/gpu/drm/*'
    '/lib/modules/*/kernel/drivers/infiniband/*'
    '/lib/modules/*/kernel/drivers/isdn/*'
    '/lib/modules/*/kernel/drivers/media/*'
    '/lib/modules/*/kernel/drivers/net/wireless/*'
    '/lib/modules/*/kernel/drivers/staging/*'
)

SECTOR=512
MIB=$((1024 * 1024))

# Several recipes may run at once.
log() { printf '  %s: %s\n' "${NAME:-base image}" "$*" >&2; }

die() {
    printf 'base image: %s\n' "$*" >&2
    exit 1
}

# run_recipe NAME OUT: makes the image of NAME as the file OUT. A recipe defines `build`, which makes
# $WORK/disk.img; everything in $WORK goes away afterwards, however it ends.
run_recipe() {
    local name=$1 out=$2
    NAME=$name
    need mmdebstrap:mmdebstrap sfdisk:fdisk sgdisk:gdisk mke2fs:e2fsprogs mkfs.vfat:dosfstools mcopy:mtools
    WORK=$(mktemp -d "$(dirname "$out")/.$name.XXXXXX")
    chmod 755 "$WORK" # apt drops its rights while it fetches
    # One file system only: should mmdebstrap have died with /proc still mounted, it is left alone.
    trap 'rm -rf --one-file-system "$WORK"' EXIT
    trap 'exit 130' INT TERM HUP
    # shellcheck source=/dev/null
    source "$HERE/$name.sh"
    build
    mv "$WORK/disk.img" "$out"
}

# need TOOL:PACKAGE...: says by name what is missing.
need() {
    local pair missing=()
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -eq 0 ] || die "not installed: ${missing[*]}; run scripts/setup.sh"
}

# fetch_system ROOT SUITE ARCH VARIANT PACKAGES [mmdebstrap option...]: a Debian system as the folder ROOT.
# A fetch may fail for a moment, so it is tried three times.
fetch_system() {
    local root=$1 suite=$2 arch=$3 variant=$4 packages=$5 try
    shift 5
    for try in 1 2 3; do
        log "fetching Debian $suite for $arch (mmdebstrap, variant $variant)"
        if mmdebstrap --mode=root --arch="$arch" --variant="$variant" --skip=check/qemu \
            --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
            --dpkgopt=force-unsafe-io "${LEFT_OUT[@]/#/--dpkgopt=path-exclude=}" \
            --include="$packages" "$@" "$suite" "$root" >"$WORK/mmdebstrap.log" 2>&1; then
            return
        fi
        tail -n 15 "$WORK/mmdebstrap.log" >&2
        log "try $try of 3 failed"
        rm -rf --one-file-system "$root"
        sleep $((try * 3))
    done
    die "fetching Debian $suite for $arch failed three times (see above)"
}

# in_system ROOT COMMAND...: runs a command of the system itself, with /proc, in a mount namespace that ends with
# it. Its output is shown only if it fails.
in_system() {
    local root=$1
    shift
    unshare --mount --mount-proc="$root/proc" chroot "$root" "$@" >"$WORK/in-system.log" 2>&1 </dev/null || {
        cat "$WORK/in-system.log" >&2
        die "running '$*' inside the new system failed"
    }
}

# write_file PATH MODE: standard input becomes the file, owned by root.
write_file() {
    mkdir -p "$(dirname "$1")"
    rm -f "$1"
    cat >"$1"
    chmod "$2" "$1"
}

# write_identity ROOT HOSTNAME: what a published image says of itself; nothing of the building machine stays.
write_identity() {
    local root=$1 hostname=$2
    echo "$hostname" | write_file "$root/etc/hostname" 644
    write_file "$root/etc/hosts" 644 <<EOF
127.0.0.1	localhost
::1		localhost ip6-localhost ip6-loopback
ff02::1		ip6-allnodes
ff02::2		ip6-allrouters

127.0.1.1	$hostname
EOF
    : | write_file "$root/etc/machine-id" 444
    rm -f "$root/etc/resolv.conf" "$root/var/lib/dbus/machine-id" "$root"/etc/ssh/ssh_host_*
    rm -f "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}- "$root"/var/lib/dpkg/*-old
    find "$root/var/log" -type f -delete
}

# cut_times DIR: no file is younger than SOURCE_DATE_EPOCH.
cut_times() {
    find "$1" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# root_kib DIR: the size in KiB of the root file system that pi-gen makes for this content: a fifth and 200 MiB
# more than the content, rounded up to 8 MiB.
root_kib() {
    local bytes
    bytes=$(du -xs --apparent-size --block-size=1 "$1" | cut -f 1)
    bytes=$((bytes + bytes / 5 + 200 * MIB))
    echo $(((bytes + 8 * MIB - 1) / (8 * MIB) * 8 * 1024))
}

# new_ext4 FILE KIB ROOT [mke2fs option...]: an ext4 file system with the content of the folder ROOT.
new_ext4() {
    local file=$1 kib=$2 root=$3
    shift 3
    log "making ext4, $((kib / 1024)) MiB"
    cut_times "$root"
    rm -f "$file"
    mke2fs -q -F -t ext4 -b 4096 -I 256 "$@" -d "$root" "$file" "${kib}k" >/dev/null
}

# new_fat32 FILE SECTORS DIR LABEL VOLUME_ID [mkfs.vfat option...]: a FAT32 with the content of the folder DIR.
new_fat32() {
    local file=$1 sectors=$2 dir=$3 label=$4 volume=$5
    shift 5
    log "making FAT32 $label, $((sectors / 2048)) MiB"
    cut_times "$dir"
    rm -f "$file"
    truncate -s $((sectors * SECTOR)) "$file"
    # --invariant comes first: it sets a volume id of its own.
    mkfs.vfat --invariant -F 32 -n "$label" -i "$volume" "$@" "$file" >"$WORK/mkfs.log" 2>&1 || {
        cat "$WORK/mkfs.log" >&2
        die "making the FAT32 $label failed"
    }
    mcopy -s -m -i "$file" "$dir"/* ::
}

# new_disk SECTORS: $WORK/disk.img of that size, empty and sparse; its table is read from standard input, as
# sfdisk's script.
new_disk() {
    rm -f "$WORK/disk.img"
    truncate -s $(($1 * SECTOR)) "$WORK/disk.img"
    sfdisk --quiet "$WORK/disk.img"
}

# lay START FILE: puts a finished file system at sector START, holes staying holes.
lay() {
    dd if="$2" of="$WORK/disk.img" bs=1M oflag=seek_bytes seek=$(($1 * SECTOR)) conv=sparse,notrunc status=none
    rm -f "$2"
}

# judge_ext4 START, judge_fat START SECTORS: the file system as it lies in the finished image is clean.
judge_ext4() {
    e2fsck -fn "$WORK/disk.img?offset=$(($1 * SECTOR))" >"$WORK/fsck.log" 2>&1 || {
        cat "$WORK/fsck.log" >&2
        die "e2fsck is not content with the ext4 at sector $1"
    }
}

judge_fat() {
    dd if="$WORK/disk.img" of="$WORK/judged.fat" bs=$SECTOR skip="$1" count="$2" conv=sparse status=none
    fsck.fat -n "$WORK/judged.fat" >"$WORK/fsck.log" 2>&1 || {
        cat "$WORK/fsck.log" >&2
        die "fsck.fat is not content with the FAT at sector $1"
    }
    rm -f "$WORK/judged.fat"
}

judge_mbr() {
    sfdisk --verify "$WORK/disk.img" >"$WORK/verify.log" 2>&1 || {
        cat "$WORK/verify.log" >&2
        die "sfdisk is not content with the partition table"
    }
}

judge_gpt() {
    sgdisk -v "$WORK/disk.img" >"$WORK/verify.log" 2>&1 && grep -q '^No problems found' "$WORK/verify.log" || {
        cat "$WORK/verify.log" >&2
        die "sgdisk is not content with the partition table"
    }
}
