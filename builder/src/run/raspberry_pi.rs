//! A Raspberry Pi as QEMU has it: an SD card, USB and the mini UART, and nothing that a generic machine would have.
//!
//! QEMU's machine wants a card whose size is a power of two (QEMU's documentation, "Raspberry Pi boards").

use std::process::Command;

use super::machine::{Machine, Network, drive, netdev};

/// Of Raspberry Pi's own range. Linux calls a USB network card with an address of nobody's range `usb0`, others `eth0`.
const MAC: &str = "b8:27:eb:00:00:01";

pub(super) fn plug_in(command: &mut Command, machine: &Machine) {
    // The first port is the PL011, which belongs to Bluetooth; the console is on the second.
    command.args(["-serial", "null", "-serial", "stdio"]);
    command.arg("-drive").arg(format!("{},if=sd", drive(&machine.disk)));
    for (number, disk) in machine.disks.iter().enumerate() {
        command.arg("-drive").arg(format!("{},if=none,id=d{number}", drive(disk)));
        command.arg("-device").arg(format!("usb-storage,drive=d{number}"));
    }
    // For the three keys that restart it: there is no power button.
    command.args(["-device", "usb-kbd"]);
    let mut card = netdev(command, &machine.network);
    if matches!(machine.network, Network::Alone { .. }) {
        card.push_str(&format!(",mac={MAC}"));
    }
    command.arg("-device").arg(format!("usb-net,{card}"));
}
