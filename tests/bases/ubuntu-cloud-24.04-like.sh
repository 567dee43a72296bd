# The shape of Ubuntu's cloud image of 24.04 for amd64. It does not boot.
# shellcheck shell=bash
PROVES="Ubuntu cloud image's shape: GPT not in disk order, BIOS boot, ESP, an ext4 of its own at /boot, GRUB, netplan"
source "$HERE/pi-os-lib.sh"
source "$HERE/ubuntu-lib.sh"
source "$HERE/cloud-lib.sh"

ARCH=amd64
RELEASE=6.8.0-60-generic
DISK_ID=5a0b7c84
ESP_START=10240 ESP_SECTORS=217088
BOOT_START=$((ESP_START + ESP_SECTORS)) BOOT_SECTORS=1869824 # 913 MiB
ROOT_START=$((BOOT_START + BOOT_SECTORS))

build() {
    local root=$WORK/root
    unpack_system "$root" trixie "$UBUNTU_PACKAGES"
    write_os_release "$root" 24.04 "24.04.3 LTS" noble "Noble Numbat"
    configure_ubuntu "$root"
    write_module_lists "$root" $RELEASE zst overlay bridge br_netfilter nf_conntrack veth vxlan wireguard ip_tables \
        iptable_nat iptable_filter
    write_file "$root/etc/fstab" 644 <<'EOF'
LABEL=cloudimg-rootfs	/	 ext4	discard,commit=30,errors=remount-ro	0 1
LABEL=BOOT	/boot	ext4	defaults	0 2
LABEL=UEFI	/boot/efi	vfat	umask=0077	0 1
EOF
    write_file "$root/etc/default/grub.d/50-cloudimg-settings.cfg" 644 <<'EOF'
# Written for a test base: the variables that Ubuntu's file sets.
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX_DEFAULT="console=tty1 console=ttyS0"
GRUB_TERMINAL=console
EOF
    write_file "$root/etc/cloud/cloud.cfg.d/90_dpkg.cfg" 644 <<'EOF'
datasource_list: [ NoCloud, ConfigDrive, OpenNebula, Azure, OpenStack, Ec2, None ]
EOF
    write_kernel_files "$WORK/boot" $RELEASE
    write_grub_cfg "$WORK/boot/grub/grub.cfg" "" $RELEASE LABEL=cloudimg-rootfs "console=tty1 console=ttyS0"
    mkdir -p "$root/boot" "$WORK/boot/efi"
    fill_esp "$WORK/esp"
    assemble "$root"
}

assemble() {
    local root=$1 kib
    kib=$(root_kib "$root")
    new_fat32 "$WORK/fat" $ESP_SECTORS "$WORK/esp" UEFI $DISK_ID -s 1
    new_ext4 "$WORK/boot.ext4" $((BOOT_SECTORS / 2)) "$WORK/boot" -O "none,$UBUNTU_FEATURES" -L BOOT \
        -U $DISK_ID-0000-4000-8000-000000000016 -E hash_seed=$DISK_ID-0000-4000-8000-000000000017
    new_ext4 "$WORK/ext4" "$kib" "$root" -O "none,$UBUNTU_FEATURES" -L cloudimg-rootfs \
        -U $DISK_ID-0000-4000-8000-000000000001 -E hash_seed=$DISK_ID-0000-4000-8000-000000000002
    new_disk $((ROOT_START + kib * 2 + 2048)) <<EOF
label: gpt
label-id: 5A0B7C84-0000-4000-8000-000000000003
1: start=$ROOT_START, size=$((kib * 2)), uuid=5A0B7C84-0000-4000-8000-000000000011, type=$ROOT_TYPE
14: start=2048, size=8192, uuid=5A0B7C84-0000-4000-8000-000000000014, type=$BIOS_TYPE
15: start=$ESP_START, size=$ESP_SECTORS, uuid=5A0B7C84-0000-4000-8000-000000000015, type=$ESP_TYPE
16: start=$BOOT_START, size=$BOOT_SECTORS, uuid=5A0B7C84-0000-4000-8000-000000000018, type=$XBOOT_TYPE
EOF
    lay $ESP_START "$WORK/fat"
    lay $BOOT_START "$WORK/boot.ext4"
    lay $ROOT_START "$WORK/ext4"
    judge_gpt
    judge_fat $ESP_START $ESP_SECTORS
    judge_ext4 $BOOT_START
    judge_ext4 $ROOT_START
}
