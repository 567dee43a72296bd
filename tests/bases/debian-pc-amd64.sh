# Debian bookworm amd64 as Debian's own cloud images are laid out. It boots, through its own GRUB too.
# shellcheck shell=bash
PROVES="boots: Debian cloud image's layout, GPT with BIOS boot and ESP, root by UUID, GRUB, no swap"

PACKAGES=systemd-sysv,systemd-timesyncd,udev,dbus,kmod,iproute2,network-manager,openssh-server,iptables
PACKAGES+=,dosfstools,e2fsprogs,fdisk,zstd,ca-certificates,linux-image-amd64,grub-efi-amd64,grub-efi-amd64-signed
PACKAGES+=,shim-signed

# The numbers of Debian's image: 14 and 15 lie before 1.
BIOS_START=2048
BIOS_SECTORS=6144
ESP_START=8192
ESP_SECTORS=253952
ROOT_START=262144
ROOT_UUID=5a0b7c64-0000-4000-8000-000000000001
ESP_ID=5A0B0064

build() {
    local root=$WORK/root
    printf '%s\n' COMPRESS=zstd COMPRESSLEVEL=1 |
        write_file "$WORK/before/etc/initramfs-tools/conf.d/quick" 644
    INITRD=No fetch_system "$root" bookworm amd64 minbase "$PACKAGES" \
        --setup-hook="cp -r '$WORK/before/.' \"\$1\""
    configure "$root"
    log "making the initramfs"
    in_system "$root" update-initramfs -c -k "$(basename "$root"/lib/modules/*)"
    write_grub_cfg "$root"
    fill_esp "$root" "$WORK/esp"
    write_identity "$root" localhost
    assemble "$root"
}

configure() {
    local root=$1
    write_file "$root/etc/fstab" 644 <<EOF
UUID=$ROOT_UUID / ext4 rw,discard,errors=remount-ro 0 1
UUID=${ESP_ID:0:4}-${ESP_ID:4} /boot/efi vfat defaults,umask=0077 0 0
EOF
    write_file "$root/etc/default/grub.d/10_cloud.cfg" 644 <<'EOF'
# Serial console, as Debian's cloud images set it.
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 consoleblank=0"
GRUB_TERMINAL="console serial"
GRUB_SERIAL_COMMAND="serial --speed=115200"
GRUB_TIMEOUT=1
EOF
    # This unit is written for this base: cloud images leave the host keys to cloud-init.
    write_file "$root/etc/systemd/system/generate-ssh-host-keys.service" 644 <<'EOF'
[Unit]
Description=Generate SSH host keys on the first boot
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=multi-user.target
EOF
    ln -s ../generate-ssh-host-keys.service "$root/etc/systemd/system/multi-user.target.wants/"
}

# write_grub_cfg ROOT: GRUB's own grub-mkconfig writes it. There is no disk yet that grub-probe could look at, so
# for that one run a stand-in answers for the disk that will be.
write_grub_cfg() {
    local root=$1
    mv "$root/usr/sbin/grub-probe" "$WORK/grub-probe"
    write_file "$root/usr/sbin/grub-probe" 755 <<EOF
#!/bin/sh
for word; do
    case \$word in
    --target=device) echo /dev/vda1 ;;
    --target=disk) echo /dev/vda ;;
    --target=fs) echo ext2 ;;
    --target=fs_uuid) echo $ROOT_UUID ;;
    --target=partmap) echo gpt ;;
    --target=compatibility_hint) echo hd0,gpt1 ;;
    --target=hints_string) echo --hint-bios=hd0,gpt1 --hint-efi=hd0,gpt1 --hint-baremetal=ahci0,gpt1 ;;
    esac
done
EOF
    # grub-mkconfig names the root by UUID only where udev knows it.
    mkdir -p "$root/dev/disk/by-uuid"
    touch "$root/dev/disk/by-uuid/$ROOT_UUID"
    mkdir -p "$root/boot/grub"
    in_system "$root" grub-mkconfig -o /boot/grub/grub.cfg
    rm -r "$root/dev/disk" "$root/usr/sbin/grub-probe"
    mv "$WORK/grub-probe" "$root/usr/sbin/grub-probe"
    grep -q "root=UUID=$ROOT_UUID ro" "$root/boot/grub/grub.cfg" ||
        die "grub-mkconfig did not name the root by its UUID"
}

# fill_esp ROOT ESP: what grub-install puts there, with Debian's signed programs, and on the removable path.
fill_esp() {
    local root=$1 esp=$2 dir
    mkdir -p "$root/boot/efi" "$esp/EFI/BOOT" "$esp/EFI/debian"
    for dir in BOOT debian; do
        cp "$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$esp/EFI/$dir/grubx64.efi"
        cp "$root/usr/lib/shim/mmx64.efi.signed" "$esp/EFI/$dir/mmx64.efi"
        printf '%s\n' "search.fs_uuid $ROOT_UUID root hd0,gpt1" "set prefix=(\$root)'/boot/grub'" \
            'configfile $prefix/grub.cfg' >"$esp/EFI/$dir/grub.cfg"
    done
    cp "$root/usr/lib/shim/shimx64.efi.signed" "$esp/EFI/debian/shimx64.efi"
    cp "$root/usr/lib/shim/shimx64.efi.signed" "$esp/EFI/BOOT/BOOTX64.EFI"
    mkdir -p "$root/boot/grub/x86_64-efi" "$root/boot/grub/fonts"
    cp "$root"/usr/lib/grub/x86_64-efi/*.{mod,lst} "$root/boot/grub/x86_64-efi/"
    cp "$root/usr/share/grub/unicode.pf2" "$root/boot/grub/fonts/"
}

assemble() {
    local root=$1 kib root_sectors
    kib=$(root_kib "$root")
    root_sectors=$((kib * 2))
    new_fat32 "$WORK/fat" $ESP_SECTORS "$WORK/esp" ESP $ESP_ID -s 1
    new_ext4 "$WORK/ext4" "$kib" "$root" -U $ROOT_UUID \
        -E hash_seed=5a0b7c64-0000-4000-8000-000000000002
    new_disk $((ROOT_START + root_sectors + 2048)) <<EOF
label: gpt
label-id: 5A0B7C64-0000-4000-8000-000000000003
1: start=$ROOT_START, size=$root_sectors, uuid=5A0B7C64-0000-4000-8000-000000000011, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4
14: start=$BIOS_START, size=$BIOS_SECTORS, uuid=5A0B7C64-0000-4000-8000-000000000014, type=21686148-6449-6E6F-744E-656564454649
15: start=$ESP_START, size=$ESP_SECTORS, uuid=5A0B7C64-0000-4000-8000-000000000015, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
EOF
    lay $ESP_START "$WORK/fat"
    lay $ROOT_START "$WORK/ext4"
    judge_gpt
    judge_fat $ESP_START $ESP_SECTORS
    judge_ext4 $ROOT_START
}
