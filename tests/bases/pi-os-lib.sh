# What the Raspberry-Pi-OS-like bases share. Their packages are Debian's, unpacked and not configured (no
# emulation, no maintainer script); what the scripts would have left behind where hcimage looks, and the publisher's own
# units and programs, are written here, from what is known of them and in other words. Firmware and device trees are
# placeholders that say so, and so is the kernel of the bases that do not boot.
# shellcheck shell=bash

# Packages of all three; a recipe adds its own.
PI_OS_PACKAGES=base-files,base-passwd,bash,coreutils,dash,dpkg,e2fsprogs,dosfstools,init-system-helpers,kmod
PI_OS_PACKAGES+=,systemd-sysv,systemd-timesyncd,udev,dbus,iproute2,iptables,openssh-server,sudo,ca-certificates,tzdata,wpasupplicant

# The ext4 features that pi-gen's `-O ^64bit,^huge_file` comes to, spelt out: the list must not hang on this
# machine's mke2fs.conf.
PI_OS_FEATURES=has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,sparse_super,large_file
PI_OS_FEATURES+=,dir_nlink,extra_isize,metadata_csum

# unpack_system ROOT SUITE PACKAGES: the packages' files, and a dpkg database as if they were installed. Nothing
# comes from the security archive: of a suite past its support the files go before the index does.
unpack_system() {
    local root=$1 suite=$2 packages=$3
    fetch_system "$root" "$suite" "${ARCH:-arm64}" extract "$PI_OS_PACKAGES,$packages" --components=main \
        --setup-hook='printf "%s\n" "Package: *" "Pin: release l=Debian-Security" "Pin-Priority: -1" >"$1/etc/apt/preferences.d/no-security"' \
        --setup-hook='for d in bin lib sbin; do mkdir -p "$1/usr/$d" && ln -s "usr/$d" "$1/$d"; done' \
        --extract-hook="mkdir '$WORK/debs' && mv \"\$1\"/var/cache/apt/archives/*.deb '$WORK/debs/'"
    write_dpkg_status "$root" "$WORK"/debs/*.deb
    rm -rf "$WORK/debs" "$root/etc/apt/preferences.d/no-security"
}

# write_dpkg_status ROOT DEB...: the stanzas of the packages' own control files, each with its Status line.
write_dpkg_status() {
    local root=$1 deb
    shift
    for deb in "$@"; do
        dpkg-deb -f "$deb" | sed '/^Package:/a Status: install ok installed'
        echo
    done | write_file "$root/var/lib/dpkg/status" 644
}

# enable_units ROOT UNIT...: the links of the units' own [Install] sections, made by systemctl offline.
enable_units() {
    local root=$1
    shift
    SYSTEMCTL_SKIP_SYSV=1 systemctl --quiet --root="$root" enable "$@" 2>"$WORK/systemctl.log" || {
        cat "$WORK/systemctl.log" >&2
        die "systemctl enable $* failed"
    }
}

# enable_init_script ROOT NAME: the links of update-rc.d.
enable_init_script() {
    local level
    for level in 2 3 4 5; do
        mkdir -p "$1/etc/rc$level.d"
        ln -s "../init.d/$2" "$1/etc/rc$level.d/S01$2"
    done
    for level in 0 1 6; do
        mkdir -p "$1/etc/rc$level.d"
        ln -s "../init.d/$2" "$1/etc/rc$level.d/K01$2"
    done
}

# choose_iptables ROOT: iptables over nftables, Debian's choice since buster, as update-alternatives links it.
choose_iptables() {
    local name
    mkdir -p "$1/etc/alternatives"
    for name in iptables ip6tables; do
        ln -s /etc/alternatives/$name "$1/usr/sbin/$name"
        ln -s /usr/sbin/$name-nft "$1/etc/alternatives/$name"
    done
}

# write_accounts ROOT: Debian's own list, and `pi`, uid 1000, locked, as Pi OS has it before its first boot.
write_accounts() {
    local root=$1 etc=$1/etc account file
    {
        cat "$root/usr/share/base-passwd/passwd.master"
        echo 'messagebus:x:100:107::/nonexistent:/usr/sbin/nologin'
        echo 'sshd:x:101:65534::/run/sshd:/usr/sbin/nologin'
        echo 'systemd-timesync:x:997:997:systemd Time Synchronization:/:/usr/sbin/nologin'
        echo 'pi:x:1000:1000:,,,:/home/pi:/bin/bash'
    } | sed 's/^\([^:]*\):\*:/\1:x:/' | write_file "$etc/passwd" 644
    {
        sed -e 's/^\(adm\|sudo\|audio\|video\|users\):\*:\([0-9]*\):.*/\1:x:\2:pi/' -e 's/:\*:/:x:/' \
            "$root/usr/share/base-passwd/group.master"
        printf '%s\n' messagebus:x:107: systemd-timesync:x:997: netdev:x:108:pi gpio:x:986:pi pi:x:1000:
    } | write_file "$etc/group" 644
    for account in $(cut -d: -f1 "$etc/passwd"); do
        echo "$account:*:20500:0:99999:7:::"
    done | sed 's/^pi:\*:/pi:!:/' | write_file "$etc/shadow" 640
    cut -d: -f1,4 "$etc/group" | sed 's/:/:*::/' | write_file "$etc/gshadow" 640
    chgrp 42 "$etc/shadow" "$etc/gshadow" # Debian's fixed id of the group shadow
    for file in subuid subgid; do
        echo pi:100000:65536 | write_file "$etc/$file" 644
    done
    mkdir -p "$root/home/pi"
    cp -r "$root/etc/skel/." "$root/home/pi/"
    chown -R 1000:1000 "$root/home/pi"
    chmod 700 "$root/home/pi"
}

# write_stand_ins ROOT RELEASE FIRMWARE_DIR: what only Raspberry Pi's archive has, as far as a first boot and hcimage know
# it: raspberrypi-sys-mods, userconf-pi. All of it is written for these bases.
write_stand_ins() {
    local root=$1 release=$2 firmware=$3
    printf 'Raspberry Pi reference 2026-06-01 (%s-like test base of hcimage, not by Raspberry Pi)\n' "$release" |
        write_file "$root/etc/rpi-issue" 644
    write_wizard "$root" "$firmware"
    write_ssh_switch "$root" "$firmware"
}

# write_wizard ROOT FIRMWARE_DIR: the questions for a first account, on a console of their own. The service is one that
# multi-user.target waits for; the account may become root without a password.
write_wizard() {
    local root=$1 firmware=$2
    write_file "$root/lib/systemd/system/userconfig.service" 644 <<'EOF'
# Stand-in for the unit of userconf-pi.
[Unit]
Description=User configuration dialog
After=systemd-user-sessions.service
Before=lightdm.service

[Service]
Type=oneshot
ExecStart=/usr/lib/userconf-pi/userconf-service
StandardInput=tty
TTYPath=/dev/tty8
TTYReset=yes
TTYVHangup=yes
TTYVTDisallocate=yes
Restart=on-failure

[Install]
WantedBy=multi-user.target
EOF
    write_file "$root/usr/lib/userconf-pi/userconf-service" 755 <<EOF
#!/bin/sh
# Stand-in for the program of userconf-pi: from a file on the boot partition, or by questions, without end.
file=$firmware/userconf.txt
name= hash=
[ ! -f "\$file" ] || IFS=: read -r name hash <"\$file"
if [ -z "\$name" ]; then
    # The console that is seen becomes this one.
    chvt 8 2>/dev/null
    while [ -z "\$name" ]; do
        printf 'Please enter new username: ' >/dev/tty8
        read -r name || sleep 5
    done
fi
usermod --login "\$name" --home "/home/\$name" --move-home --shell /bin/bash pi
[ -z "\$hash" ] || usermod --password "\$hash" "\$name"
echo "\$name ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/010_pi-nopasswd
rm -f /etc/ssh/sshd_config.d/rename_user.conf "\$file"
systemctl disable userconfig
systemctl enable --now --no-block getty@tty1
EOF
    enable_units "$root" userconfig.service
    echo 'pi ALL=(ALL) NOPASSWD: ALL' | write_file "$root/etc/sudoers.d/010_pi-nopasswd" 440
    echo 'Banner /usr/share/userconf-pi/sshd_banner' |
        write_file "$root/etc/ssh/sshd_config.d/rename_user.conf" 644
    echo 'Please note that SSH may not work until a valid user has been set up.' |
        write_file "$root/usr/share/userconf-pi/sshd_banner" 644
}

# write_ssh_switch ROOT FIRMWARE_DIR: SSH is off until somebody puts a file onto the boot partition.
write_ssh_switch() {
    write_file "$1/lib/systemd/system/sshswitch.service" 644 <<EOF
# Stand-in for the unit of raspberrypi-sys-mods.
[Unit]
Description=Turn on SSH if a file on the boot partition says so
ConditionPathExistsGlob=$2/ssh{,.txt}
After=regenerate_ssh_host_keys.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'systemctl enable --now ssh && rm -f $2/ssh $2/ssh.txt'

[Install]
WantedBy=multi-user.target
EOF
    enable_units "$1" sshswitch.service
}

# write_init_program ROOT FIRMWARE_DIR: what takes the place of init once, until trixie: it takes its own word away, makes
# host keys, gives the disk another id, has the files name that, and starts the machine again. Between the last two the
# card does not boot. With it come a script that grows the file system once, and a unit for the keys.
write_init_program() {
    local root=$1 firmware=$2
    write_file "$root/usr/lib/raspberrypi-sys-mods/firstboot" 755 <<EOF
#!/bin/bash
# Stand-in for the program of raspberrypi-sys-mods.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /run
mount -o remount,rw /
mount $firmware
sed -i 's| init=/usr/lib/raspberrypi-sys-mods/firstboot||' $firmware/cmdline.txt
sync
/usr/lib/raspberrypi-sys-mods/regenerate_ssh_host_keys
part=\$(findmnt -no source /)
disk=/dev/\$(basename "\$(realpath "/sys/class/block/\$(basename "\$part")/..")")
old=\$(sfdisk --disk-id "\$disk")
old=\${old#0x}
new=\$(od -An -N4 -tx4 /dev/urandom | tr -d ' ')
echo "STAND-IN: the disk \$old becomes \$new" >/dev/console
sfdisk --no-reread --disk-id "\$disk" "0x\$new"
sed -i "s/\$old/\$new/g" /etc/fstab $firmware/cmdline.txt
sync
umount $firmware
mount -o remount,ro /
reboot -f
EOF
    write_file "$root/usr/lib/raspberrypi-sys-mods/regenerate_ssh_host_keys" 755 <<'EOF'
#!/bin/sh -e
# Stand-in for the program of raspberrypi-sys-mods.
rm -f /etc/ssh/ssh_host_*_key*
ssh-keygen -A
systemctl --quiet disable regenerate_ssh_host_keys
EOF
    write_file "$root/lib/systemd/system/regenerate_ssh_host_keys.service" 644 <<'EOF'
# Stand-in for the unit of raspberrypi-sys-mods.
[Unit]
Description=Regenerate SSH host keys
Before=ssh.service
ConditionFileIsExecutable=/usr/bin/ssh-keygen

[Service]
Type=oneshot
ExecStart=/usr/lib/raspberrypi-sys-mods/regenerate_ssh_host_keys

[Install]
WantedBy=multi-user.target
EOF
    enable_units "$root" regenerate_ssh_host_keys.service
    write_file "$root/etc/init.d/resize2fs_once" 755 <<'EOF'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          resize2fs_once
# Required-Start:
# Required-Stop:
# Default-Start:     3
# Default-Stop:
# Short-Description: Resize the root filesystem to fill its partition
### END INIT INFO
# Stand-in for the script of pi-gen.
[ "$1" = start ] || exit 0
resize2fs "$(findmnt -no source /)" && rm -f /etc/rc?.d/S??resize2fs_once /etc/init.d/resize2fs_once
EOF
    mkdir -p "$root/etc/rc3.d"
    ln -s ../init.d/resize2fs_once "$root/etc/rc3.d/S01resize2fs_once"
}

# keep_no_journal ROOT: until trixie, Raspberry Pi OS keeps the journal in memory.
keep_no_journal() {
    printf '%s\n' '[Journal]' 'Storage=volatile' |
        write_file "$1/usr/lib/systemd/journald.conf.d/40-rpi-volatile-storage.conf" 644
}

# write_defaults ROOT: what the packages' scripts put into /etc, with Pi OS's time zone, and what pi-gen adds.
write_defaults() {
    install -D -m 644 "$1/usr/share/openssh/sshd_config" "$1/etc/ssh/sshd_config"
    ln -s /usr/share/zoneinfo/Europe/London "$1/etc/localtime"
    echo Europe/London | write_file "$1/etc/timezone" 644
    # Radios are off until somebody has named a country.
    local radio
    for radio in platform-3f300000.mmcnr platform-fe300000.mmcnr platform-1001100000.mmc; do
        echo 1 | write_file "$1/var/lib/systemd/rfkill/$radio:wlan" 644
    done
    [ ! -d "$1/etc/NetworkManager" ] ||
        printf '[main]\nWirelessEnabled=false\n' |
        write_file "$1/var/lib/NetworkManager/NetworkManager.state" 600
}

# write_kernel_stand_ins ROOT FAT VERSION...: names of Pi OS, contents that no machine can boot. The versions are
# the folders in /lib/modules.
write_kernel_stand_ins() {
    local root=$1 fat=$2 file version
    shift 2
    mkdir -p "$fat/overlays"
    for file in bootcode.bin start4.elf fixup4.dat bcm2710-rpi-3-b-plus.dtb bcm2711-rpi-4-b.dtb \
        bcm2711-rpi-cm4.dtb bcm2712-rpi-5-b.dtb kernel8.img kernel_2712.img initramfs8 initramfs_2712 \
        overlays/dwc2.dtbo overlays/vc4-kms-v3d.dtbo; do
        echo "placeholder for $file" >"$fat/$file"
    done
    for version in "$@"; do
        mkdir -p "$root/lib/modules/$version/kernel"
        write_module_lists "$root" "$version" xz overlay bridge br_netfilter nf_conntrack veth vxlan wireguard \
            ip_tables iptable_nat iptable_filter
    done
}

# write_module_lists ROOT VERSION COMPRESSION MODULE...: depmod's list for a kernel of which nothing else is there.
write_module_lists() {
    local root=$1 version=$2 compression=$3 module
    shift 3
    for module in "$@"; do
        echo "kernel/placeholder/$module.ko.$compression:"
    done | write_file "$root/lib/modules/$version/modules.dep" 644
}

# write_config_txt FAT LINE...: the shape of Pi OS's config.txt, with the given lines of the release; it ends
# with [all], so that appending is unconditional.
write_config_txt() {
    local fat=$1
    shift
    {
        printf '%s\n' '# For more options and information see' \
            '# http://rptl.io/configtxt' \
            '# Some settings may impact device functionality. See link above for details' '' \
            '# Uncomment some or all of these to enable the optional hardware interfaces' \
            '#dtparam=i2c_arm=on' '#dtparam=i2s=on' '#dtparam=spi=on' '' \
            '# Enable audio (loads snd_bcm2835)' 'dtparam=audio=on' ''
        printf '%s\n' "$@"
        printf '%s\n' '' '# Run in 64-bit mode' 'arm_64bit=1' '' \
            '[cm4]' '# Enable host mode on the 2711 built-in XHCI USB controller.' 'otg_mode=1' '' '[all]'
    } >"$fat/config.txt"
}

# write_cmdline FAT DISK_ID WORD...: one line; the words are those that a release ends it with.
write_cmdline() {
    local fat=$1 disk=$2
    shift 2
    echo "console=serial0,115200 console=tty1 root=PARTUUID=$disk-02 rootfstype=ext4 fsck.repair=yes $*" \
        >"$fat/cmdline.txt"
}

# write_fstab ROOT DISK_ID FIRMWARE_DIR
write_fstab() {
    write_file "$1/etc/fstab" 644 <<EOF
proc            /proc           proc    defaults          0       0
PARTUUID=$2-01  $3  vfat    defaults          0       2
PARTUUID=$2-02  /               ext4    defaults,noatime  0       1
EOF
}

# write_boot_stubs ROOT: since bookworm the files that count are in /boot/firmware; those in /boot say so.
write_boot_stubs() {
    local name
    for name in cmdline.txt config.txt; do
        printf 'DO NOT EDIT THIS FILE\n\nThe file you are looking for has moved to /boot/firmware/%s\n' $name |
            write_file "$1/boot/$name" 644
    done
}

# set_up_dphys_swapfile ROOT MIB: enabled in both of its ways, its size set as Pi OS does. Pi OS makes the file
# /var/swap itself only when it runs; here it is there, for the builder to remove.
set_up_dphys_swapfile() {
    local root=$1 mib=$2
    sed -i "s/^#CONF_SWAPSIZE=.*/CONF_SWAPSIZE=$mib/" "$root/etc/dphys-swapfile"
    grep -qx "CONF_SWAPSIZE=$mib" "$root/etc/dphys-swapfile"
    enable_units "$root" dphys-swapfile.service
    enable_init_script "$root" dphys-swapfile
    truncate -s "${mib}M" "$root/var/swap"
    chmod 600 "$root/var/swap"
    mkswap --quiet --uuid 5a0b7c1e-0000-4000-8000-00000000000f "$root/var/swap"
}

set_up_fake_hwclock() {
    enable_units "$1" fake-hwclock.service
    enable_init_script "$1" fake-hwclock
    date -u -d "@$SOURCE_DATE_EPOCH" '+%Y-%m-%d %H:%M:%S' | write_file "$1/etc/fake-hwclock.data" 644
}

# assemble_pi_os ROOT FAT DISK_ID START SECTORS FEATURES [mkfs.vfat option...]: the image, FAT from START on, the
# root right after it.
assemble_pi_os() {
    local root=$1 fat=$2 disk=$3 start=$4 sectors=$5 features=$6 kib root_start=$(($4 + $5))
    shift 6
    kib=$(root_kib "$root")
    new_fat32 "$WORK/fat.img" "$sectors" "$fat" bootfs "$disk" "$@"
    new_ext4 "$WORK/ext4.img" "$kib" "$root" -O "none,$features" -L rootfs \
        -U "$disk-0000-4000-8000-000000000001" -E "hash_seed=$disk-0000-4000-8000-000000000002"
    if [ -e "$root/var/swap" ]; then
        # mke2fs drops the zeros of the swap file; this gives it its blocks back.
        debugfs -w -R "fallocate /var/swap 0 $(($(stat -c %s "$root/var/swap") / 4096 - 1))" \
            "$WORK/ext4.img" 2>/dev/null
    fi
    new_disk $((root_start + kib * 2)) <<EOF
label: dos
label-id: 0x$disk
start=$start, size=$sectors, type=c
start=$root_start, size=$((kib * 2)), type=83
EOF
    write_boot_code
    lay "$start" "$WORK/fat.img"
    lay "$root_start" "$WORK/ext4.img"
    judge_mbr
    judge_fat "$start" "$sectors"
    judge_ext4 "$root_start"
}

# write_boot_code: the first 440 bytes, which parted fills where it makes a table. parted takes a sector without them for an
# empty one, and gives the disk another id at its next change. The code here is a jump to itself.
write_boot_code() {
    {
        printf '\353\376'
        printf 'Boot code of a test base: a PC stops here.'
    } | dd of="$WORK/disk.img" conv=notrunc status=none
}
