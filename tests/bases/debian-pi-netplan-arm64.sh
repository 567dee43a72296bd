# Debian-Pi as debian-pi-arm64, with cloud-init that has netplan set up systemd-networkd, as on Ubuntu. It boots.
# shellcheck shell=bash
PROVES="boots: cloud-init with NoCloud from the FAT's label, netplan for systemd-networkd, growpart, systemd-resolved"
source "$HERE/debian-pi-lib.sh"

build() {
    build_debian_pi netplan.io,systemd-resolved,cloud-init,cloud-guest-utils
}

# Host keys are cloud-init's. It is told to use DHCP: where that is not stopped, the node has not the address it should.
configure_network() {
    local root=$1 wants=$1/etc/systemd/system/multi-user.target.wants
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    ln -sf /lib/systemd/system/systemd-networkd.service "$wants/systemd-networkd.service"
    write_file "$root/etc/cloud/cloud.cfg.d/99-nocloud.cfg" 644 <<'EOF'
datasource_list: [ NoCloud, None ]
datasource:
  NoCloud:
    fs_label: RASPIFIRM
# There is no package for locales here.
locale: false
EOF
    # As Ubuntu's for the Pi: it gives the default account a password that everybody knows.
    write_file "$root/boot/firmware/user-data" 644 <<'EOF'
#cloud-config
# The account of the image can log in by its password, once
chpasswd:
  expire: true
  users:
  - name: debian
    password: debian
    type: text

ssh_pwauth: true
EOF
    echo 'instance-id: cloud-image' >"$root/boot/firmware/meta-data"
    write_file "$root/boot/firmware/network-config" 644 <<'EOF'
version: 2
ethernets:
  eth0:
    dhcp4: true
    optional: true
EOF
}
