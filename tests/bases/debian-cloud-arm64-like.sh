# The shape of Debian's cloud image of trixie for arm64. It does not boot.
# shellcheck shell=bash
PROVES="Debian arm64 cloud image's shape: GPT with an ESP and no BIOS boot, /boot on the root, cloud-init, growfs"
source "$HERE/pi-os-lib.sh"
source "$HERE/cloud-lib.sh"

RELEASE=6.12.43+deb13-cloud-arm64
DISK_ID=5a0b7cd3
ESP_START=2048 ESP_SECTORS=260096
ROOT_START=262144

build() {
    local root=$WORK/root
    unpack_system "$root" trixie netplan.io,cloud-init,cloud-guest-utils,zstd
    write_identity "$root" localhost
    write_accounts "$root"
    sed -i '/^pi:/d' "$root"/etc/{passwd,group,shadow}
    rm -r "$root/home/pi"
    choose_iptables "$root"
    mkdir -p "$root/etc/netplan" "$root/boot/efi"
    enable_units "$root" systemd-networkd.service cloud-init-local.service cloud-config.service cloud-final.service
    write_module_lists "$root" $RELEASE xz overlay bridge br_netfilter nf_conntrack veth vxlan wireguard ip_tables
    write_file "$root/etc/fstab" 644 <<EOF
UUID=$DISK_ID-0000-4000-8000-000000000001 / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1
UUID=5A0B-7CD3 /boot/efi vfat defaults 0 0
EOF
    write_kernel_files "$root/boot" $RELEASE
    write_grub_cfg "$root/boot/grub/grub.cfg" /boot $RELEASE \
        PARTUUID=5a0b7cd3-0000-4000-8000-000000000011 "console=tty0 console=ttyS0,115200"
    fill_esp "$WORK/esp"
    assemble "$root"
}

assemble() {
    local root=$1 kib
    kib=$(root_kib "$root")
    new_fat32 "$WORK/fat" $ESP_SECTORS "$WORK/esp" ESP $DISK_ID -s 1
    new_ext4 "$WORK/ext4" "$kib" "$root" -O "none,$PI_OS_FEATURES,64bit,huge_file,orphan_file,metadata_csum_seed" \
        -U $DISK_ID-0000-4000-8000-000000000001 -E hash_seed=$DISK_ID-0000-4000-8000-000000000002
    new_disk $((ROOT_START + kib * 2 + 2048)) <<EOF
label: gpt
label-id: 5A0B7CD3-0000-4000-8000-000000000003
1: start=$ROOT_START, size=$((kib * 2)), uuid=5A0B7CD3-0000-4000-8000-000000000011, type=B921B045-1DF0-41C3-AF44-4C6F280D3FAE
15: start=$ESP_START, size=$ESP_SECTORS, uuid=5A0B7CD3-0000-4000-8000-000000000015, type=$ESP_TYPE
EOF
    lay $ESP_START "$WORK/fat"
    lay $ROOT_START "$WORK/ext4"
    judge_gpt
    judge_fat $ESP_START $ESP_SECTORS
    judge_ext4 $ROOT_START
}
