# Debian-Pi with the layout and the habits of Debian 13's own image for the Raspberry Pi, made of bookworm's packages so
# that it boots: GPT with a hybrid MBR, partitions by PARTUUID, no labels, and questions on the first boot.
# shellcheck shell=bash
PROVES="boots: GPT with a hybrid MBR, root by PARTUUID, netplan without cloud-init, systemd-firstboot's questions"
source "$HERE/debian-pi-lib.sh"

ESP_TYPE=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
ROOT_ARM64_TYPE=B921B045-1DF0-41C3-AF44-4C6F280D3FAE
ROOT_PARTUUID=5a0b7c1e-0000-4000-8000-000000000011
ESP_PARTUUID=5a0b7c1e-0000-4000-8000-000000000015
FAT_START=2048
FAT_SECTORS=1046528
ROOT_START=1048576

build() {
    build_debian_pi netplan.io,systemd-resolved
}

configure_network() {
    local root=$1 wants=$1/etc/systemd/system/multi-user.target.wants
    make_host_keys_at_boot "$root"
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    ln -sf /lib/systemd/system/systemd-networkd.service "$wants/systemd-networkd.service"
    write_file "$root/etc/netplan/90-default.yaml" 644 <<'EOF'
network:
  version: 2
  ethernets:
    every-en:
      match: {name: "en*"}
      dhcp4: true
      dhcp6: true
    every-eth:
      match: {name: "eth*"}
      dhcp4: true
      dhcp6: true
EOF
    ask_on_first_boot "$root"
    mount_by_partuuid "$root"
}

# What systemd-firstboot asks for: the time zone, and root's password where it is not set.
ask_on_first_boot() {
    local root=$1
    echo uninitialized | write_file "$root/etc/machine-id" 444
    sed -i 's/^root:[^:]*:/root:!unprovisioned:/' "$root/etc/shadow"
    rm -f "$root/etc/localtime" "$root/etc/timezone" "$root/etc/locale.conf" "$root/etc/default/locale"
}

mount_by_partuuid() {
    local root=$1
    write_file "$root/etc/fstab" 644 <<EOF
PARTUUID=$ROOT_PARTUUID / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1
PARTUUID=$ESP_PARTUUID /boot/firmware vfat defaults,umask=077 0 2
EOF
    sed -i "s|^ROOTPART=.*|ROOTPART=PARTUUID=$ROOT_PARTUUID|" "$root/etc/default/raspi-firmware"
    sed -i "s|root=LABEL=RASPIROOT|root=PARTUUID=$ROOT_PARTUUID|" "$root/boot/firmware/cmdline.txt"
    grep -q "root=PARTUUID=$ROOT_PARTUUID" "$root/boot/firmware/cmdline.txt" ||
        die "cmdline.txt does not name the root by its PARTUUID"
}

# The entries of the MBR are in the places that Debian gives them: a guard of the GPT in the second.
assemble() {
    local root=$1 kib
    mv "$root/boot/firmware" "$WORK/firmware"
    mkdir "$root/boot/firmware"
    kib=$(root_kib "$root")
    new_fat32 "$WORK/fat" $FAT_SECTORS "$WORK/firmware" "NO NAME" 5A0B0001
    new_ext4 "$WORK/ext4" "$kib" "$root" -U 5a0b7c1e-0000-4000-8000-000000000001 \
        -E hash_seed=5a0b7c1e-0000-4000-8000-000000000002
    debugfs -w -R "fallocate /var/swap 0 $((SWAP_MIB * 256 - 1))" "$WORK/ext4" 2>/dev/null
    new_disk $((ROOT_START + kib * 2 + 2048)) <<EOF
label: gpt
label-id: 5A0B7C1E-0000-4000-8000-000000000003
1: start=$ROOT_START, size=$((kib * 2)), uuid=${ROOT_PARTUUID^^}, type=$ROOT_ARM64_TYPE
15: start=$FAT_START, size=$FAT_SECTORS, uuid=${ESP_PARTUUID^^}, type=$ESP_TYPE
EOF
    sfdisk --quiet --label-nested dos "$WORK/disk.img" <<EOF
label: dos
label-id: 0x00000000
2: start=1, size=2047, type=ee
1: start=$FAT_START, size=$FAT_SECTORS, type=c
3: start=$ROOT_START, type=ee
EOF
    lay $FAT_START "$WORK/fat"
    lay $ROOT_START "$WORK/ext4"
    judge_gpt
    judge_fat $FAT_START $FAT_SECTORS
    judge_ext4 $ROOT_START
}
