# The shape of Raspberry Pi OS Lite 12 (bookworm), arm64, with Debian's kernel. It boots.
# shellcheck shell=bash
PROVES="boots: Raspberry Pi OS bookworm's shape: real offsets and ext4 features, NetworkManager, dphys-swapfile, /boot/firmware"
source "$HERE/pi-os-lib.sh"
source "$HERE/debian-kernel-lib.sh"
source "$HERE/debian-pi-lib.sh"

DISK_ID=5a0b7c12

build() {
    local root=$WORK/root fat=$WORK/fat
    mkdir -p "$fat"
    unpack_system "$root" bookworm "network-manager,dphys-swapfile,fake-hwclock,$BOOT_PACKAGES"
    mkdir -p "$root/boot/firmware"
    write_identity "$root" raspberrypi
    write_accounts "$root"
    write_defaults "$root"
    write_stand_ins "$root" bookworm /boot/firmware
    write_init_program "$root" /boot/firmware
    keep_no_journal "$root"
    write_kernel_stand_ins "$root" "$fat" 6.12.25+rpt-rpi-v8 6.12.25+rpt-rpi-2712
    install_kernel "$root" "$fat/kernel8.img" "$fat/initramfs8"
    make_bootable "$root"
    choose_iptables "$root"
    enable_units "$root" NetworkManager.service systemd-timesyncd.service
    set_up_dphys_swapfile "$root" 100
    set_up_fake_hwclock "$root"
    write_fstab "$root" $DISK_ID /boot/firmware
    write_boot_stubs "$root"
    write_config_txt "$fat" '# Automatically load overlays for detected cameras' 'camera_auto_detect=1' \
        '# Automatically load initramfs files, if found' 'auto_initramfs=1'
    write_cmdline "$fat" $DISK_ID rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot
    cp "$root/etc/rpi-issue" "$fat/issue.txt"
    assemble_pi_os "$root" "$fat" $DISK_ID 16384 1048576 $PI_OS_FEATURES -s 4
}
