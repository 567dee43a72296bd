# The shape of Raspberry Pi OS Lite 13 (trixie), arm64, with Debian's kernel. It boots.
# shellcheck shell=bash
PROVES="boots: Raspberry Pi OS trixie's shape: cloud-init, netplan, machine-id 'uninitialized', rpi-swap, newest ext4 features"
source "$HERE/pi-os-lib.sh"
source "$HERE/debian-kernel-lib.sh"
source "$HERE/debian-pi-lib.sh"

DISK_ID=5a0b7c13
FEATURES=$PI_OS_FEATURES,orphan_file,metadata_csum_seed

build() {
    local root=$WORK/root fat=$WORK/fat
    mkdir -p "$fat"
    unpack_system "$root" trixie "network-manager,netplan.io,cloud-init,systemd-zram-generator,$BOOT_PACKAGES"
    mkdir -p "$root/boot/firmware"
    write_identity "$root" raspberrypi
    echo uninitialized | write_file "$root/etc/machine-id" 444
    write_accounts "$root"
    write_defaults "$root"
    # Nobody logs in as pi before it has been given another name.
    sed -i '/^pi:/s|/bin/bash$|/usr/sbin/nologin|' "$root/etc/passwd"
    write_stand_ins "$root" trixie /boot/firmware
    write_first_boot_units "$root"
    write_kernel_stand_ins "$root" "$fat" 6.12.75+rpt-rpi-v8 6.12.75+rpt-rpi-2712
    install_kernel "$root" "$fat/kernel8.img" "$fat/initramfs8"
    make_bootable "$root"
    choose_iptables "$root"
    enable_units "$root" NetworkManager.service systemd-timesyncd.service cloud-init-main.service \
        cloud-init-local.service cloud-init-network.service cloud-config.service cloud-final.service
    write_cloud_files "$root" "$fat"
    write_swap_stand_ins "$root"
    # timesyncd takes the time of this file as the earliest possible one.
    : | write_file "$root/var/lib/systemd/timesync/clock" 644
    write_fstab "$root" $DISK_ID /boot/firmware
    write_boot_stubs "$root"
    write_config_txt "$fat" '# Automatically load overlays for detected cameras' 'camera_auto_detect=1' \
        '# Automatically load initramfs files, if found' 'auto_initramfs=1'
    write_cmdline "$fat" $DISK_ID rootwait resize
    cp "$root/etc/rpi-issue" "$fat/issue.txt"
    assemble_pi_os "$root" "$fat" $DISK_ID 16384 1048576 "$FEATURES" -s 1
}

# write_cloud_files ROOT FAT: cloud-init reads its seed from the FAT; the files are written for this base.
write_cloud_files() {
    local root=$1 fat=$2
    write_file "$root/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg" 644 <<'EOF'
datasource_list: [ NoCloud, None ]
datasource:
  NoCloud:
    seedfrom: file:///boot/firmware
# The host keys are made by a unit of the first boot.
ssh_genkeytypes: []
EOF
    write_file "$root/usr/lib/netplan/00-network-manager-all.yaml" 600 <<'EOF'
network:
  version: 2
  renderer: NetworkManager
EOF
    mkdir -p "$root/etc/netplan"
    printf '#cloud-config\n# Everything in this file is a comment, as Raspberry Pi ships it.\n' >"$fat/user-data"
    echo 'instance-id: rpios-image' >"$fat/meta-data"
    echo '# Everything in this file is a comment, as Raspberry Pi ships it.' >"$fat/network-config"
}

# write_first_boot_units ROOT: where systemd takes the boot for the first one, a unit has the file system grown into its
# partition, which the initramfs has enlarged, and Debian's own makes the host keys.
write_first_boot_units() {
    write_file "$1/lib/systemd/system/rpi-resize.service" 644 <<'EOF'
# Stand-in for the unit of raspberrypi-sys-mods.
[Unit]
Description=Grow and trim the root file system on the first boot
ConditionFirstBoot=yes
DefaultDependencies=no
Conflicts=shutdown.target
Wants=first-boot-complete.target systemd-growfs-root.service
After=systemd-remount-fs.service systemd-growfs-root.service
Before=first-boot-complete.target shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/true
ExecStartPost=/usr/bin/systemctl disable %n

[Install]
WantedBy=sysinit.target
EOF
    enable_units "$1" rpi-resize.service sshd-keygen.service
}

# write_swap_stand_ins ROOT: rpi-swap's configuration and generator by name; the zram one is Debian's own.
write_swap_stand_ins() {
    write_file "$1/etc/rpi/swap.conf" 644 <<'EOF'
# Stand-in for the configuration of rpi-swap.
[Main]
#Mechanism=auto
EOF
    write_file "$1/usr/lib/systemd/system-generators/rpi-swap-generator" 755 <<'EOF'
#!/bin/sh
# Stand-in: on Raspberry Pi OS this makes the units of the swap file and of zram.
EOF
}
