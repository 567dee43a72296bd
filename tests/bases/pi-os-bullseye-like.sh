# The shape of Raspberry Pi OS Lite 11 (bullseye), arm64. It does not boot.
# shellcheck shell=bash
PROVES="Raspberry Pi OS bullseye's shape: FAT at /boot, dhcpcd, dphys-swapfile, the older offsets"
source "$HERE/pi-os-lib.sh"

DISK_ID=5a0b7c11

build() {
    local root=$WORK/root fat=$WORK/fat
    mkdir -p "$fat"
    unpack_system "$root" bullseye dhcpcd5,openresolv,dphys-swapfile,fake-hwclock
    mkdir -p "$root/boot"
    write_identity "$root" raspberrypi
    write_accounts "$root"
    write_defaults "$root"
    write_stand_ins "$root" bullseye /boot
    write_init_program "$root" /boot
    keep_no_journal "$root"
    write_kernel_stand_ins "$root" "$fat" 6.1.21-v8+
    # Its last kernel is of April 2023, older than the Pi 5.
    rm "$fat"/{bcm2712-rpi-5-b.dtb,kernel_2712.img,initramfs_2712}
    choose_iptables "$root"
    enable_units "$root" dhcpcd.service systemd-timesyncd.service
    set_up_dphys_swapfile "$root" 100
    set_up_fake_hwclock "$root"
    write_fstab "$root" $DISK_ID /boot
    write_config_txt "$fat" '# Automatically load overlays for detected cameras' 'camera_auto_detect=1'
    write_cmdline "$fat" $DISK_ID rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot
    cp "$root/etc/rpi-issue" "$fat/issue.txt"
    assemble_pi_os "$root" "$fat" $DISK_ID 8192 524288 $PI_OS_FEATURES -s 4
}
