# What the Ubuntu-like bases share. Debian's packages, unpacked and not configured, under Ubuntu's own name, layout and
# configuration, written here: only what hcimage and a first boot read is as on Ubuntu.
# Sourced after pi-os-lib.sh.
# shellcheck shell=bash

UBUNTU_PACKAGES=netplan.io,cloud-init,cloud-guest-utils,zstd,systemd-resolved

# mke2fs on Ubuntu: pi-gen's features and two more; since 25.10 also those of newer e2fsprogs.
UBUNTU_FEATURES=$PI_OS_FEATURES,64bit,huge_file
UBUNTU_NEW_FEATURES=$UBUNTU_FEATURES,orphan_file,metadata_csum_seed

# write_os_release ROOT VERSION POINT CODENAME NAME
write_os_release() {
    local root=$1 version=$2 point=$3 codename=$4 name=$5
    rm -f "$root/etc/os-release"
    write_file "$root/usr/lib/os-release" 644 <<EOF
PRETTY_NAME="Ubuntu $point"
NAME="Ubuntu"
VERSION_ID="$version"
VERSION="$point ($name)"
VERSION_CODENAME=$codename
ID=ubuntu
ID_LIKE=debian
UBUNTU_CODENAME=$codename
EOF
    ln -s ../usr/lib/os-release "$root/etc/os-release"
}

# write_ubuntu_accounts ROOT: those of the system; cloud-init makes the first user.
write_ubuntu_accounts() {
    local root=$1
    write_accounts "$root"
    sed -i -e '/^pi:/d' -e 's/:pi$/:/' "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}
    rm -r "$root/home/pi"
}

# configure_ubuntu ROOT: what both kinds have; the network is cloud-init's, which has netplan write it for networkd.
configure_ubuntu() {
    local root=$1 unit
    write_identity "$root" ubuntu
    write_ubuntu_accounts "$root"
    choose_iptables "$root"
    mkdir -p "$root/etc/netplan" "$root/snap"
    install -D -m 644 "$root/usr/share/openssh/sshd_config" "$root/etc/ssh/sshd_config"
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    ln -sf /usr/share/zoneinfo/Etc/UTC "$root/etc/localtime"
    enable_units "$root" systemd-networkd.service systemd-timesyncd.service systemd-resolved.service ssh.socket getty@tty1.service \
        cloud-init-local.service cloud-config.service cloud-final.service
    # Which of the two there is, is a matter of cloud-init's version.
    for unit in cloud-init.service cloud-init-main.service cloud-init-network.service; do
        [ ! -e "$root/lib/systemd/system/$unit" ] || enable_units "$root" "$unit"
    done
}

# add_ubuntu_groups ROOT: those of Ubuntu's cloud images, besides netdev, which a package has made; the members of admin may
# become root.
add_ubuntu_groups() {
    printf '%s\n' admin:x:115: lxd:x:117: >>"$1/etc/group"
    printf '%s\n' 'admin:!::' 'lxd:!::' >>"$1/etc/gshadow"
    printf '%s\n' '' '# Members of the admin group may gain root privileges' '%admin ALL=(ALL) ALL' >>"$1/etc/sudoers"
}

# write_seed_on_fat ROOT FAT: NoCloud from the FAT, found by its label.
write_seed_on_fat() {
    local root=$1 fat=$2
    write_file "$root/etc/cloud/cloud.cfg.d/99-fake_cloud.cfg" 644 <<'EOF'
# configure cloud-init for NoCloud
datasource_list: [ NoCloud, None ]
datasource:
  NoCloud:
    fs_label: system-boot
EOF
    write_file "$fat/user-data" 644 <<'EOF'
#cloud-config
# What Ubuntu's own says, in the words of a test base: one account, with a password that everybody knows.
chpasswd:
  expire: true
  users:
  - name: ubuntu
    password: ubuntu
    type: text

# No login by password over SSH
ssh_pwauth: false

#hostname: ubuntu
EOF
    # The first stage uses it, before there is a network.
    printf '%s\n' 'dsmode: local' 'instance-id: cloud-image' >"$fat/meta-data"
    write_file "$fat/network-config" 644 <<'EOF'
network:
  version: 2
  ethernets:
    eth0:
      dhcp4: true
      optional: true
EOF
}

# write_ubuntu_boot_files FAT FOLDER: kernel, initial RAM disk, device trees and cmdline.txt, in a folder of the FAT or
# (with an empty FOLDER) at its top. Contents are placeholders.
write_ubuntu_boot_files() {
    local fat=$1 folder=$2 file
    mkdir -p "$fat/$folder/overlays"
    for file in vmlinuz initrd.img bcm2710-rpi-3-b-plus.dtb bcm2711-rpi-4-b.dtb bcm2711-rpi-cm4.dtb \
        bcm2712-rpi-5-b.dtb overlays/dwc2.dtbo overlays/README; do
        echo "placeholder for $file" >"$fat/$folder/$file"
    done
    for file in bootcode.bin start4.elf fixup4.dat; do
        echo "placeholder for $file" >"$fat/$file"
    done
    echo "console=serial0,115200 multipath=off dwc_otg.lpm_enable=0 console=tty1 root=LABEL=writable rootfstype=ext4 rootwait fixrtc" \
        >"$fat/$folder/cmdline.txt"
}

# write_ubuntu_config_txt FAT LINE...: filters before and after the settings that count; the given lines come last.
write_ubuntu_config_txt() {
    local fat=$1
    shift
    {
        printf '%s\n' '[all]' 'kernel=vmlinuz' 'cmdline=cmdline.txt' 'initramfs initrd.img followkernel' '' \
            '[pi4]' 'max_framebuffers=2' 'arm_boost=1' '' \
            '[all]' 'dtparam=audio=on' 'dtparam=i2c_arm=on' 'dtparam=spi=on' 'disable_overscan=1' \
            'enable_uart=1' 'camera_auto_detect=1' '' \
            '[cm4]' '# USB 2 of a carrier board' 'dtoverlay=dwc2,dr_mode=host' '' '[all]'
        printf '%s\n' "$@"
    } >"$fat/config.txt"
}

# build_ubuntu_pi SUITE FEATURES KERNEL COMPRESSION MODULE...: expects $ROOT and $FAT with os-release and boot files.
build_ubuntu_pi() {
    local features=$1 release=$2 compression=$3
    shift 3
    mkdir -p "$ROOT/boot/firmware"
    configure_ubuntu "$ROOT"
    [ ! -d "$ROOT/usr/lib/modules/"*-arm64 ] || make_bootable "$ROOT"
    write_seed_on_fat "$ROOT" "$FAT"
    write_module_lists "$ROOT" "$release" "$compression" overlay bridge br_netfilter nf_conntrack veth ip_tables \
        iptable_nat iptable_filter "$@"
    write_file "$ROOT/etc/fstab" 644 <<'EOF'
LABEL=writable	/	ext4	defaults	0 1
LABEL=system-boot       /boot/firmware  vfat    defaults        0       1
EOF
    assemble_ubuntu_pi "$features"
}

assemble_ubuntu_pi() {
    local kib start=2048 sectors=1048576
    kib=$(root_kib "$ROOT")
    new_fat32 "$WORK/fat.img" $sectors "$FAT" system-boot "$DISK_ID" -s 4
    new_ext4 "$WORK/ext4.img" "$kib" "$ROOT" -O "none,$1" -L writable \
        -U "$DISK_ID-0000-4000-8000-000000000001" -E "hash_seed=$DISK_ID-0000-4000-8000-000000000002"
    new_disk $((start + sectors + kib * 2)) <<EOF
label: dos
label-id: 0x$DISK_ID
start=$start, size=$sectors, type=c, bootable
start=$((start + sectors)), size=$((kib * 2)), type=83
EOF
    lay $start "$WORK/fat.img"
    lay $((start + sectors)) "$WORK/ext4.img"
    judge_mbr
    judge_fat $start $sectors
    judge_ext4 $((start + sectors))
}
